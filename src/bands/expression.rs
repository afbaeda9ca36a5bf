//! Arithmetic over the bands of a pixel, parsed once and worked out a block of pixels at a time.
//!
//! Numbers are doubles, truth is 1 and 0, and what is missing makes the result missing; IEEE's rules hold otherwise, as in
//! NumPy: 1 / 0 is infinite, 0 / 0 is NaN.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Pixels that are worked out together.
pub const BLOCK: usize = 1024;

/// Names and expressions may be so deep and no deeper.
const DEPTH: usize = 64;
/// Bytes of the longest expression.
const LONGEST: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Op {
    Number(f64),
    /// A band, from 0.
    Band(usize),
    /// One of the row's own numbers.
    Named(usize),
    One(One),
    Two(Two),
    /// Of what is there and a number.
    TwoNumber(Two, f64),
    /// Of what is there and a band.
    TwoBand(Two, usize),
    /// Condition, then, else.
    Where,
    /// Looks at the number of a bit, which is the same for all pixels.
    IsBit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum One {
    Minus,
    Not,
    Abs,
    Sqrt,
    Exp,
    Log,
    Log10,
    Log2,
    Sin,
    Cos,
    Tan,
    Floor,
    Ceil,
    Round,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Two {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
    Power,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
    And,
    Or,
    Least,
    Most,
    Bit,
}

const ONES: [(&str, One); 12] = [
    ("abs", One::Abs),
    ("sqrt", One::Sqrt),
    ("exp", One::Exp),
    ("log", One::Log),
    ("log10", One::Log10),
    ("log2", One::Log2),
    ("sin", One::Sin),
    ("cos", One::Cos),
    ("tan", One::Tan),
    ("floor", One::Floor),
    ("ceil", One::Ceil),
    ("round", One::Round),
];
const TWOS: [(&str, Two); 2] = [("pow", Two::Power), ("bit", Two::Bit)];

/// Expressions, ready to be worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// One a band of the result, in the order of a stack.
    outs: Vec<Vec<Op>>,
    /// Names of the row's own numbers.
    pub names: Vec<String>,
    bands: usize,
    used: Vec<usize>,
    depth: usize,
}

/// Values of some pixels, and which are there, where not all are.
#[derive(Debug, Clone)]
struct Slot {
    values: Vec<f64>,
    valid: Option<Vec<bool>>,
}

/// Room for the values on their way.
#[derive(Debug, Default)]
pub struct Stack(Vec<Slot>);

impl Program {
    /// Parses expressions parted by commas. `bands` are names of the bands, beside `b1`, `b2` and so on.
    ///
    /// # Errors
    /// What is no expression, with the place where it goes wrong.
    pub fn parse(text: &str, bands: &[String]) -> Result<Program> {
        if text.len() > LONGEST {
            let told = format!("an expression of {} bytes", text.len());
            return Err(Error::invalid(told, format!("at most {LONGEST} bytes long")));
        }
        let mut parser = Parser { text, rest: text, bands, names: Vec::new(), highest: 0, level: 0 };
        let mut outs = Vec::new();
        loop {
            let mut ops = Vec::new();
            parser.either(&mut ops)?;
            outs.push(ops);
            if !parser.eat(",") {
                break;
            }
        }
        if !parser.rest.trim_start().is_empty() {
            return Err(parser.amiss("an operator, a comma or the end"));
        }
        let depth = outs.iter().map(|ops| depth(ops)).max().unwrap_or(0);
        let band = |op: &Op| if let Op::Band(band) = op { Some(*band) } else { None };
        let mut used: Vec<usize> = outs.iter().flatten().filter_map(band).collect();
        used.sort_unstable();
        used.dedup();
        let outs = outs.into_iter().map(joined).collect();
        Ok(Program { outs, names: parser.names, bands: parser.highest, used, depth })
    }

    /// Bands of the result.
    pub fn outs(&self) -> usize {
        self.outs.len()
    }

    /// The highest band that is asked for, from 1.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// The bands that are asked for, from 0, in order.
    pub fn used(&self) -> &[usize] {
        &self.used
    }

    /// Works one band of the result out for `count` pixels. `band` gives the values of a band and which are there; a
    /// number that is `None` is missing.
    ///
    /// # Errors
    /// What is to be the number of a bit and is none.
    pub fn run<'a>(
        &self,
        out: usize,
        count: usize,
        band: impl Fn(usize) -> (&'a [f64], Option<&'a [bool]>),
        named: &[Option<f64>],
        stack: &'a mut Stack,
    ) -> Result<(&'a [f64], Option<&'a [bool]>)> {
        let slots = &mut stack.0;
        slots.resize_with(self.depth.max(slots.len()), || Slot { values: vec![0.0; BLOCK], valid: None });
        let mut top = 0;
        for op in self.outs.get(out).map_or(&[][..], Vec::as_slice) {
            match *op {
                Op::Number(value) => {
                    slots[top].values[..count].fill(value);
                    slots[top].valid = None;
                    top += 1;
                }
                Op::Named(index) => {
                    let value = named.get(index).copied().flatten();
                    slots[top].values[..count].fill(value.unwrap_or_default());
                    slots[top].valid = value.is_none().then(|| vec![false; count]);
                    top += 1;
                }
                Op::Band(index) => {
                    let (values, valid) = band(index);
                    slots[top].values[..count].copy_from_slice(&values[..count]);
                    slots[top].valid = valid.map(<[bool]>::to_vec);
                    top += 1;
                }
                Op::IsBit => {
                    let number = &slots[top - 1];
                    let is_there = number.valid.as_ref().is_none_or(|valid| valid[..count].contains(&true));
                    let value = number.values[..count].first().filter(|value| is_there && !is_bit(**value));
                    if let Some(value) = value {
                        let must = format!(
                            "a whole number from 0 to {}, as the second argument of bit()",
                            BITS - 1.0
                        );
                        return Err(Error::invalid(value, must));
                    }
                }
                Op::One(one) => one.run(&mut slots[top - 1].values[..count]),
                Op::Two(two) => {
                    let (below, above) = slots.split_at_mut(top - 1);
                    let (to, from) = (&mut below[top - 2], &above[0]);
                    two.run(&mut to.values[..count], &from.values[..count]);
                    both(&mut to.valid, from.valid.as_deref());
                    top -= 1;
                }
                Op::TwoNumber(two, number) => two.run_with(&mut slots[top - 1].values[..count], number),
                Op::TwoBand(two, index) => {
                    let (values, valid) = band(index);
                    let to = &mut slots[top - 1];
                    two.run(&mut to.values[..count], &values[..count]);
                    both(&mut to.valid, valid);
                }
                Op::Where => {
                    let (below, above) = slots.split_at_mut(top - 2);
                    let (condition, then, other) = (&mut below[top - 3], &above[0], &above[1]);
                    let any = condition.valid.is_some() || then.valid.is_some() || other.valid.is_some();
                    let has = |slot: &Slot, i: usize| slot.valid.as_ref().is_none_or(|valid| valid[i]);
                    let picked = |i: usize| if condition.values[i] != 0.0 { then } else { other };
                    let valid = any.then(|| {
                        (0..count).map(|i| has(condition, i) && has(picked(i), i)).collect::<Vec<bool>>()
                    });
                    for i in 0..count {
                        let of = if condition.values[i] != 0.0 { then.values[i] } else { other.values[i] };
                        condition.values[i] = of;
                    }
                    condition.valid = valid;
                    top -= 2;
                }
            }
        }
        let slot = &slots[0];
        Ok((&slot.values[..count], slot.valid.as_deref()))
    }
}

/// Bits of the largest whole number.
const BITS: f64 = 64.0;

fn is_bit(number: f64) -> bool {
    (0.0..BITS).contains(&number) && number.fract() == 0.0
}

/// Whether a bit of a whole number is set, of a negative one as its complement of two; NaN where there is no such number or
/// no such bit.
fn bit(x: f64, number: f64) -> f64 {
    let bits = match x {
        _ if x.fract() != 0.0 || !is_bit(number) => return f64::NAN,
        _ if (0.0..2f64.powi(64)).contains(&x) => x as u64,
        _ if (-(2f64.powi(63))..0.0).contains(&x) => x as i64 as u64,
        _ => return f64::NAN,
    };
    truth(bits >> number as u32 & 1 == 1)
}

/// Missing on either side is missing.
fn both(to: &mut Option<Vec<bool>>, from: Option<&[bool]>) {
    match (to.as_mut(), from) {
        (_, None) => {}
        (None, Some(from)) => *to = Some(from.to_vec()),
        (Some(to), Some(from)) => to.iter_mut().zip(from).for_each(|(to, from)| *to &= from),
    }
}

fn depth(ops: &[Op]) -> usize {
    let (mut now, mut most) = (0usize, 0);
    for op in ops {
        match op {
            Op::Number(_) | Op::Band(_) | Op::Named(_) => now += 1,
            Op::One(_) | Op::IsBit | Op::TwoNumber(..) | Op::TwoBand(..) => {}
            Op::Two(_) => now -= 1,
            Op::Where => now -= 2,
        }
        most = most.max(now);
    }
    most
}

/// An operator and the number or band before it, its right side, as one step.
fn joined(ops: Vec<Op>) -> Vec<Op> {
    let mut all: Vec<Op> = Vec::with_capacity(ops.len());
    for op in ops {
        let step = match (op, all.last()) {
            (Op::Two(two), Some(Op::Number(number))) => Op::TwoNumber(two, *number),
            (Op::Two(two), Some(Op::Band(band))) => Op::TwoBand(two, *band),
            _ => {
                all.push(op);
                continue;
            }
        };
        all.pop();
        all.push(step);
    }
    all
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl One {
    fn run(self, values: &mut [f64]) {
        let each = |values: &mut [f64], of: fn(f64) -> f64| values.iter_mut().for_each(|x| *x = of(*x));
        match self {
            One::Minus => each(values, |x| -x),
            One::Not => each(values, |x| truth(x == 0.0)),
            One::Abs => each(values, f64::abs),
            One::Sqrt => each(values, f64::sqrt),
            One::Exp => each(values, f64::exp),
            One::Log => each(values, f64::ln),
            One::Log10 => each(values, f64::log10),
            One::Log2 => each(values, f64::log2),
            One::Sin => each(values, f64::sin),
            One::Cos => each(values, f64::cos),
            One::Tan => each(values, f64::tan),
            One::Floor => each(values, f64::floor),
            One::Ceil => each(values, f64::ceil),
            One::Round => each(values, f64::round_ties_even),
        }
    }
}

impl Two {
    fn run(self, to: &mut [f64], from: &[f64]) {
        self.each(to, from.iter().copied());
    }

    /// With one number on the right.
    fn run_with(self, to: &mut [f64], number: f64) {
        if self == Two::Power && number == 2.0 {
            to.iter_mut().for_each(|x| *x *= *x);
        } else {
            self.each(to, std::iter::repeat(number));
        }
    }

    #[inline(always)]
    fn each(self, to: &mut [f64], from: impl Iterator<Item = f64>) {
        macro_rules! each {
            (|$x:ident, $y:ident| $of:expr) => {
                for (x, y) in to.iter_mut().zip(from) {
                    let ($x, $y) = (*x, y);
                    *x = $of;
                }
            };
        }
        match self {
            Two::Plus => each!(|x, y| x + y),
            Two::Minus => each!(|x, y| x - y),
            Two::Times => each!(|x, y| x * y),
            Two::Over => each!(|x, y| x / y),
            Two::Modulo => each!(|x, y| modulo(x, y)),
            Two::Power => each!(|x, y| if y == 2.0 { x * x } else { x.powf(y) }),
            Two::Less => each!(|x, y| truth(x < y)),
            Two::LessOrEqual => each!(|x, y| truth(x <= y)),
            Two::Greater => each!(|x, y| truth(x > y)),
            Two::GreaterOrEqual => each!(|x, y| truth(x >= y)),
            Two::Equal => each!(|x, y| truth(x == y)),
            Two::Unequal => each!(|x, y| truth(x != y)),
            Two::And => each!(|x, y| truth(x != 0.0 && y != 0.0)),
            Two::Or => each!(|x, y| truth(x != 0.0 || y != 0.0)),
            Two::Least => each!(|x, y| if x < y || x.is_nan() { x } else { y }),
            Two::Most => each!(|x, y| if x > y || x.is_nan() { x } else { y }),
            Two::Bit => each!(|x, y| bit(x, y)),
        }
    }
}

/// The rest has the sign of the divisor, as in Python and NumPy.
fn modulo(x: f64, y: f64) -> f64 {
    let rest = x % y;
    match rest == 0.0 {
        true => 0f64.copysign(y),
        false if (rest < 0.0) != (y < 0.0) => rest + y,
        false => rest,
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    bands: &'a [String],
    names: Vec<String>,
    highest: usize,
    level: usize,
}

impl<'a> Parser<'a> {
    fn amiss(&self, wanted: &str) -> Error {
        let at = self.text.len() - self.rest.trim_start().len();
        let position = match self.rest.trim_start().chars().next() {
            Some(next) => format!("\"{next}\" at character {}", self.text[..at].chars().count() + 1),
            None => "its end".to_string(),
        };
        let reason = format!("{wanted} is wanted at {position}");
        Error::Unparsed { value: self.text.to_string(), noun: "an expression", reason: reason.into() }
    }

    fn eat(&mut self, token: &str) -> bool {
        let Some(after) = self.rest.trim_start().strip_prefix(token) else { return false };
        // A word ends where it ends.
        let word = token.ends_with(|c: char| c.is_alphanumeric());
        if word && after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = after;
        true
    }

    /// What stands within something else, which goes on only so far.
    fn deeper(&mut self, of: &str, within: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.level += 1;
        if self.level > DEPTH {
            return Err(self.amiss(&format!("an expression of fewer {of}")));
        }
        within(self)?;
        self.level -= 1;
        Ok(())
    }

    /// Operators of one rank, from the left.
    fn chain(
        &mut self,
        ops: &mut Vec<Op>,
        tokens: &[(&str, Two)],
        below: fn(&mut Self, &mut Vec<Op>) -> Result<()>,
    ) -> Result<()> {
        below(self, ops)?;
        while let Some((_, two)) = tokens.iter().find(|(token, _)| self.eat(token)) {
            below(self, ops)?;
            ops.push(Op::Two(*two));
        }
        Ok(())
    }

    fn either(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        let tokens = [("||", Two::Or), ("or", Two::Or)];
        self.deeper("brackets", |parser| parser.chain(ops, &tokens, Parser::all))
    }

    fn all(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        self.chain(ops, &[("&&", Two::And), ("and", Two::And)], Parser::negated)
    }

    fn negated(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        if !self.rest.trim_start().starts_with("!=") && (self.eat("not") || self.eat("!")) {
            self.deeper("negations", |parser| parser.negated(ops))?;
            ops.push(Op::One(One::Not));
            return Ok(());
        }
        self.compared(ops)
    }

    fn compared(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        let tokens = [
            ("<=", Two::LessOrEqual),
            (">=", Two::GreaterOrEqual),
            ("==", Two::Equal),
            ("!=", Two::Unequal),
            ("<>", Two::Unequal),
            ("<", Two::Less),
            (">", Two::Greater),
            ("=", Two::Equal),
        ];
        self.sum(ops)?;
        if let Some((_, two)) = tokens.iter().find(|(token, _)| self.eat(token)) {
            self.sum(ops)?;
            ops.push(Op::Two(*two));
        }
        Ok(())
    }

    fn sum(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        self.chain(ops, &[("+", Two::Plus), ("-", Two::Minus)], Parser::product)
    }

    fn product(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        self.signed(ops)?;
        loop {
            let two = match () {
                () if self.rest.trim_start().starts_with("**") => return Ok(()),
                () if self.eat("*") => Two::Times,
                () if self.eat("/") => Two::Over,
                () if self.eat("%") => Two::Modulo,
                () => return Ok(()),
            };
            self.signed(ops)?;
            ops.push(Op::Two(two));
        }
    }

    fn signed(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        if self.eat("+") || self.rest.trim_start().starts_with('-') {
            let minus = self.eat("-");
            self.deeper("signs", |parser| parser.signed(ops))?;
            if minus {
                ops.push(Op::One(One::Minus));
            }
            return Ok(());
        }
        self.primary(ops)?;
        if self.eat("**") {
            // From the right, and a sign belongs to the exponent.
            self.deeper("powers of powers", |parser| parser.signed(ops))?;
            ops.push(Op::Two(Two::Power));
        }
        Ok(())
    }

    fn primary(&mut self, ops: &mut Vec<Op>) -> Result<()> {
        if self.eat("(") {
            self.either(ops)?;
            return if self.eat(")") { Ok(()) } else { Err(self.amiss("\")\"")) };
        }
        let rest = self.rest.trim_start();
        if rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number(rest, ops);
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = &rest[..end];
        if name.is_empty() {
            return Err(self.amiss("a number, a band, a name or a bracket"));
        }
        let before = self.rest;
        self.rest = &rest[end..];
        if self.eat("(") {
            return self.called(name, before, ops);
        }
        ops.push(self.named(name));
        Ok(())
    }

    fn number(&mut self, rest: &'a str, ops: &mut Vec<Op>) -> Result<()> {
        let digits =
            |from: usize| rest[from..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| from + n);
        let mut end = digits(0);
        if rest[end..].starts_with('.') {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + sign);
            end = if exponent > end + 1 + sign { exponent } else { end };
        }
        let value = rest[..end].parse().map_err(|_| self.amiss("a number"))?;
        self.rest = &rest[end..];
        ops.push(Op::Number(value));
        Ok(())
    }

    fn named(&mut self, name: &str) -> Op {
        let numbered =
            name.strip_prefix('b').and_then(|digits| digits.parse::<usize>().ok()).filter(|n| *n > 0);
        let band = self.bands.iter().position(|band| band == name).map(|index| index + 1).or(numbered);
        if let Some(band) = band {
            self.highest = self.highest.max(band);
            return Op::Band(band - 1);
        }
        let known = self.names.iter().position(|known| known == name);
        Op::Named(known.unwrap_or_else(|| {
            self.names.push(name.to_string());
            self.names.len() - 1
        }))
    }

    fn called(&mut self, name: &str, before: &'a str, ops: &mut Vec<Op>) -> Result<()> {
        let mut starts = Vec::new();
        if !self.eat(")") {
            loop {
                starts.push(ops.len());
                self.either(ops)?;
                // From the left, so that any number of them needs room for two.
                if starts.len() > 1 && ["min", "max"].contains(&name) {
                    ops.push(Op::Two(if name == "min" { Two::Least } else { Two::Most }));
                }
                if self.eat(")") {
                    break;
                }
                if !self.eat(",") {
                    return Err(self.amiss("a comma or \")\""));
                }
            }
        }
        let count = starts.len();
        let takes = |wanted: usize| (count == wanted).then_some(());
        let fits = match name {
            "where" => takes(3).map(|()| ops.push(Op::Where)),
            "clip" => takes(3).map(|()| {
                // x, low, high: the lesser of high and the greater of x and low.
                ops.insert(starts[2], Op::Two(Two::Most));
                ops.push(Op::Two(Two::Least));
            }),
            "min" | "max" => (count > 0).then_some(()),
            _ => {
                let one = ONES.iter().find(|(known, _)| *known == name).map(|(_, one)| (Op::One(*one), 1));
                let two = TWOS.iter().find(|(known, _)| *known == name).map(|(_, two)| (Op::Two(*two), 2));
                let Some((op, wanted)) = one.or(two) else {
                    self.rest = before;
                    let known = ONES.iter().map(|(name, _)| *name).chain(TWOS.iter().map(|(name, _)| *name));
                    let all: Vec<&str> = known.chain(["min", "max", "clip", "where"]).collect();
                    return Err(self.amiss(&format!("one of the functions {}", all.join(", "))));
                };
                takes(wanted).map(|()| {
                    let is_of_pixels = |op: &Op| matches!(op, Op::Band(_));
                    if op == Op::Two(Two::Bit) && !ops[starts[1]..].iter().any(is_of_pixels) {
                        ops.push(Op::IsBit);
                    }
                    ops.push(op);
                })
            }
        };
        fits.ok_or_else(|| {
            self.rest = before;
            self.amiss(&format!("another number of arguments than {count} of {name}()"))
        })
    }
}

/// The numbers of a row, in the order of a program's names.
///
/// # Errors
/// A name that the row has no number for.
pub fn numbers(program: &Program, given: &HashMap<String, Option<f64>>) -> Result<Vec<Option<f64>>> {
    let get = |name: &String| {
        given.get(name).copied().ok_or_else(|| {
            let problem = format!("\"{name}\" is neither a band nor among the numbers");
            Error::conflict(
                problem,
                "Bands are b1, b2 and so on; give other names with their numbers: {gain: 0.1}",
            )
        })
    };
    program.names.iter().map(get).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, bands: &[f64]) -> f64 {
        let program = Program::parse(text, &["red".into()]).unwrap();
        let all: Vec<[f64; 1]> = bands.iter().map(|value| [*value]).collect();
        let mut stack = Stack::default();
        program.run(0, 1, |band| (&all[band], None), &[Some(10.0)], &mut stack).unwrap().0[0]
    }

    #[test]
    fn bits_are_those_of_whole_numbers() {
        let set = |x: i64, n: u32| f64::from(u8::from(x >> n & 1 == 1));
        for x in [0, 1, 5, 1 << 40, -1, -6, i64::MIN] {
            for n in [0, 1, 2, 31, 40, 62, 63] {
                assert_eq!(value(&format!("bit(b1, {n})"), &[x as f64]), set(x, n), "{x} {n}");
                assert_eq!(value("bit(b1, b2)", &[x as f64, f64::from(n)]), set(x, n), "{x} {n}");
            }
        }
        // Above what has a sign, and beyond all.
        assert_eq!(value("bit(b1, 63)", &[1.0e19]), 1.0);
        for (x, n) in [
            (2.5, 1.0),
            (f64::NAN, 1.0),
            (f64::INFINITY, 1.0),
            (1e20, 1.0),
            (-1e19, 1.0),
            (4.0, 64.0),
            (4.0, 0.5),
        ] {
            assert!(value("bit(b1, b2)", &[x, n]).is_nan(), "{x} {n}");
        }
        let mut stack = Stack::default();
        for (text, words) in [
            ("bit(b1, 1.5)", "1.5"),
            ("bit(b1, -1)", "-1"),
            ("bit(b1, 64)", "64"),
            ("bit(b1, gain / 4)", "2.5"),
        ] {
            let program = Program::parse(text, &[]).unwrap();
            let said =
                program.run(0, 1, |_| (&[4.0], None), &[Some(10.0)], &mut stack).unwrap_err().to_string();
            assert!(said.starts_with(words) && said.contains("from 0 to 63"), "{said}");
            assert!(
                program.run(0, 1, |_| (&[4.0], None), &[None], &mut stack).is_ok() == text.contains("gain")
            );
        }
    }

    #[test]
    fn operators_bind_as_in_python() {
        let bands = [7.0, 2.0, -3.0];
        for (text, want) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("-2 ** 2", -4.0),
            ("2 ** -1", 0.5),
            ("2 ** 3 ** 2", 512.0),
            ("b1 - b2 - b3", 8.0),
            ("b1 / b2 / 2", 1.75),
            ("b1 % b3", -2.0),
            ("red * gain", 70.0),
            ("1e3 + .5", 1000.5),
            ("b1 > 5 and b2 > 5", 0.0),
            ("b1 > 5 or b2 > 5 and 0", 1.0),
            ("not b1 < 5", 1.0),
            ("b1 != 7", 0.0),
            ("where(b1 > b2, b1, b2)", 7.0),
            ("clip(b3, -1, 1) + clip(b1, 0, 5)", 4.0),
            ("max(1, b1, 3) + min(b3, 0)", 4.0),
            ("bit(b1, 2) + bit(b1, 3)", 1.0),
            ("log(exp(2)) + log10(100) + log2(8)", 7.0),
            ("pow(2, 10) - sqrt(abs(-16))", 1020.0),
            ("- - b2", 2.0),
            ("round(2.5) + floor(-0.5) + ceil(0.5)", 2.0),
        ] {
            assert_eq!(value(text, &bands), want, "{text}");
        }
        assert!(value("0 / 0", &[]).is_nan() && value("1 / 0", &[]) == f64::INFINITY);
    }

    #[test]
    fn what_is_no_expression_is_told_with_its_place() {
        for (text, words) in [
            ("", "its end"),
            ("b1 +", "its end"),
            ("(b1", "\")\" is wanted at its end"),
            ("b1 b2", "\"b\" at character 4"),
            ("foo(b1)", "one of the functions"),
            ("where(b1, 2)", "another number of arguments than 2"),
            ("b1 $ 2", "\"$\""),
            ("b1,", "its end"),
        ] {
            let said = Program::parse(text, &[]).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
        let deep = format!("{}b1{}", "(".repeat(500), ")".repeat(500));
        assert!(Program::parse(&deep, &[]).is_err() && Program::parse(&"-".repeat(9999), &[]).is_err());
        assert!(Program::parse(&"not ".repeat(9999), &[]).is_err());
        assert!(Program::parse(&("1**".repeat(9999) + "b1"), &[]).is_err());
        let long = Program::parse(&("1+".repeat(99_999) + "b1"), &[]).unwrap_err().to_string();
        assert!(long.contains("of 200000 bytes") && long.contains("65536"), "{long}");
        assert!(Program::parse(&("1+".repeat(9_999) + "b1"), &[]).is_ok());
        let many = Program::parse(&format!("min({}b1)", "b1, ".repeat(9_999)), &[]).unwrap();
        assert_eq!(many.depth, 2);
    }

    #[test]
    fn missing_is_missing_but_where_the_other_is_picked() {
        let (a, b) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        let valid = [true, false, true];
        let mut stack = Stack::default();
        let mut of = |text: &str| {
            let program = Program::parse(text, &[]).unwrap();
            let band = |band: usize| if band == 0 { (&a[..], Some(&valid[..])) } else { (&b[..], None) };
            let (_, valid) = program.run(0, 3, band, &[None], &mut stack).unwrap();
            valid.map_or(vec![true; 3], <[bool]>::to_vec)
        };
        assert_eq!(of("b1 + b2"), [true, false, true]);
        assert_eq!(of("b2 + 1"), [true; 3]);
        assert_eq!(of("where(b2 > 4, b2, b1)"), [true, true, true]);
        assert_eq!(of("where(b2 < 6, b1, b2)"), [true, false, true]);
        assert_eq!(of("b2 * gain"), [false; 3]);
    }
}
