//! A part of a plane of a canvas, and what was laid on it.

use std::ops::Range;

use crate::dtype::Pixel;
use crate::stitch::double::Double;
use crate::workers::Steps;

/// Rows of a tile, but of the lowest ones.
pub const ROWS: usize = 64;
/// Columns of a tile, but of the rightmost ones.
pub const COLS: usize = 256;

/// What becomes of several values on one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The mean, weighted by the taper.
    OverlapAdd,
    /// The mean.
    Mean,
    /// The middle one.
    Median,
    /// The mean, weighted by each patch's weight.
    Weighted,
    /// The mean, weighted by one over each pixel's variance.
    InverseVariance,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The sum.
    Sum,
    /// How many there are.
    Count,
    /// That of the least rank.
    First,
    /// That of the greatest rank.
    Last,
    /// The variance, as a population.
    Variance,
    /// The commonest, the smaller one of two.
    Mode,
    /// The one whose weights are the most, the smaller one of two.
    Vote,
    /// The mean, and the deviation as a population behind it.
    MeanStd,
}

/// Every method by its name.
pub const METHODS: [(&str, Method); 15] = [
    ("overlap_add", Method::OverlapAdd),
    ("mean", Method::Mean),
    ("median", Method::Median),
    ("weighted", Method::Weighted),
    ("inverse_variance", Method::InverseVariance),
    ("min", Method::Min),
    ("max", Method::Max),
    ("sum", Method::Sum),
    ("count", Method::Count),
    ("first", Method::First),
    ("last", Method::Last),
    ("variance", Method::Variance),
    ("mode", Method::Mode),
    ("vote", Method::Vote),
    ("mean_std", Method::MeanStd),
];

impl Method {
    /// Whether weights come from the taper.
    pub fn is_tapered(self) -> bool {
        matches!(self, Method::OverlapAdd | Method::Vote)
    }

    /// Whether each value is kept until the end.
    fn keeps(self) -> bool {
        matches!(self, Method::Median | Method::Variance | Method::Mode | Method::Vote | Method::MeanStd)
    }

    /// Whether values are summed, weighted or not.
    pub fn sums(self) -> bool {
        !self.keeps() && !matches!(self, Method::Min | Method::Max | Method::First | Method::Last)
    }

    /// How many bands come of one.
    pub fn parts(self) -> usize {
        if self == Method::MeanStd { 2 } else { 1 }
    }
}

/// How values are laid.
#[derive(Debug, Clone, Copy)]
pub struct Lay {
    /// What becomes of several values.
    pub method: Method,
    /// Sums in pairs of doubles.
    pub wide: bool,
    /// Values were multiplied by their weights already.
    pub tapered: bool,
    /// The order of the patch, for the first and the last.
    pub rank: f64,
}

/// Values of the pixels of a tile, row by row. A pixel whose weight is 0 has none.
#[derive(Debug, Clone)]
pub enum Tile {
    /// A value and a weight a pixel.
    Slots {
        /// A sum, or one value.
        value: Vec<f64>,
        /// The sum of weights, as far as they are not known from where patches lie: empty while all are. Of the first and last,
        /// the rank.
        weight: Vec<f64>,
        /// What both lack of the exact sums, where they are kept in pairs.
        rest: Option<Vec<(f64, f64)>>,
    },
    /// Every value that was laid.
    Kept {
        /// Which pixel.
        index: Vec<u16>,
        /// The value.
        value: Vec<f64>,
        /// Its weight, where values vote.
        weight: Vec<f64>,
    },
}

/// What is told of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The value.
    Value,
    /// The deviation, of [`Method::MeanStd`].
    Deviation,
    /// The weights that came together.
    Weight,
}

/// Where the rows of a tile lie in those of a strip.
#[derive(Debug, Clone, Copy)]
pub struct Inset {
    /// The first column.
    pub first: usize,
    /// How many columns.
    pub cols: usize,
    /// Columns of the strip.
    pub stride: usize,
}

impl Tile {
    /// A tile of so many pixels, on which nothing lies.
    pub fn new(method: Method, wide: bool, pixels: usize) -> Tile {
        if method.keeps() {
            return Tile::Kept { index: Vec::new(), value: Vec::new(), weight: Vec::new() };
        }
        let ranked = matches!(method, Method::First | Method::Last);
        let rest = (wide && method.sums() && method != Method::Count).then(|| vec![(0.0, 0.0); pixels]);
        let weight = match () {
            () if ranked => vec![f64::NAN; pixels],
            () if method.sums() && rest.is_none() => Vec::new(),
            () => vec![0.0; pixels],
        };
        Tile::Slots { value: vec![0.0; pixels], weight, rest }
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        match self {
            Tile::Slots { value, weight, rest } => {
                (value.len() + weight.len()) * 8 + rest.as_ref().map_or(0, |rest| rest.len() * 16)
            }
            Tile::Kept { index, value, weight } => {
                index.capacity() * 2 + (value.capacity() + weight.capacity()) * 8
            }
        }
    }

    /// Lays values on the pixels from `from` on, each with its weight.
    pub fn lay(&mut self, lay: &Lay, from: usize, values: &[f64], weights: &[f64]) {
        let to = from + values.len();
        match self {
            Tile::Slots { value, weight, rest: Some(rest) } => {
                let slots = value[from..to].iter_mut().zip(&mut weight[from..to]).zip(&mut rest[from..to]);
                for (((value, weight), rest), (x, w)) in slots.zip(values.iter().zip(weights)) {
                    let term =
                        if lay.tapered { Double { high: *x, low: 0.0 } } else { Double::product(*w, *x) };
                    let sum = Double { high: *value, low: rest.0 }.plus(term);
                    let weights = Double { high: *weight, low: rest.1 }.plus(Double { high: *w, low: 0.0 });
                    (*value, rest.0) = (sum.high, sum.low);
                    (*weight, rest.1) = (weights.high, weights.low);
                }
            }
            Tile::Slots { value, weight, rest: None } => {
                weight.resize(value.len(), 0.0);
                let (value, weight) = (&mut value[from..to], &mut weight[from..to]);
                lay_slots(lay, value, weight, values, weights);
            }
            Tile::Kept { index, value, weight } => {
                for (i, (x, w)) in values.iter().zip(weights).enumerate() {
                    if *w != 0.0 {
                        index.push((from + i) as u16);
                        value.push(*x);
                        if lay.method == Method::Vote {
                            weight.push(*w);
                        }
                    }
                }
            }
        }
    }

    /// Adds values, each times its weight `base * taper`, where values are doubles that are summed; and their weights, unless
    /// those are known from where the patch lies.
    pub fn add<T: Pixel>(&mut self, from: usize, values: &[T], (base, taper): (f64, &[f64]), known: bool) {
        let Tile::Slots { value, weight, rest: None } = self else { return };
        let to = from + values.len();
        for (value, (x, taper)) in value[from..to].iter_mut().zip(values.iter().zip(taper)) {
            *value += base * taper * x.f64();
        }
        if !known {
            weight.resize(value.len(), 0.0);
            for (weight, taper) in weight[from..to].iter_mut().zip(taper) {
                *weight += base * taper;
            }
        }
    }

    /// Adds weights, pixel by pixel.
    pub fn weigh(&mut self, weights: &[f64]) {
        let Tile::Slots { value, weight, rest: None } = self else { return };
        weight.resize(value.len(), 0.0);
        add(weight, weights);
    }

    /// Lays what lies on another tile of the same pixels.
    pub fn merge(&mut self, method: Method, other: &Tile) {
        match (self, other) {
            (
                Tile::Slots { value, weight, rest: Some(rest) },
                Tile::Slots { value: its_value, weight: its_weight, rest: Some(its_rest) },
            ) => {
                for i in 0..value.len() {
                    let sum = Double { high: value[i], low: rest[i].0 }
                        .plus(Double { high: its_value[i], low: its_rest[i].0 });
                    let weights = Double { high: weight[i], low: rest[i].1 }
                        .plus(Double { high: its_weight[i], low: its_rest[i].1 });
                    (value[i], weight[i]) = (sum.high, weights.high);
                    rest[i] = (sum.low, weights.low);
                }
            }
            (Tile::Slots { value, weight, .. }, Tile::Slots { value: its_value, weight: its_weight, .. })
                if method.sums() =>
            {
                add(value, its_value);
                match weight.is_empty() {
                    true => weight.clone_from(its_weight),
                    false => add(weight, its_weight),
                }
            }
            (Tile::Slots { value, weight, .. }, Tile::Slots { value: its_value, weight: its_weight, .. }) => {
                let its = its_value.iter().zip(its_weight);
                for ((value, weight), (x, w)) in value.iter_mut().zip(weight.iter_mut()).zip(its) {
                    match method {
                        Method::Min | Method::Max => {
                            if *w != 0.0 {
                                pick(method, value, *weight != 0.0, *x);
                                *weight += w;
                            }
                        }
                        _ => {
                            if !w.is_nan() {
                                rank(method, (value, weight), *x, *w);
                            }
                        }
                    }
                }
            }
            (
                Tile::Kept { index, value, weight },
                Tile::Kept { index: its_index, value: its_value, weight: its_weight },
            ) => {
                index.extend_from_slice(its_index);
                value.extend_from_slice(its_value);
                weight.extend_from_slice(its_weight);
            }
            _ => {}
        }
    }

    /// What is told of each pixel, written into the rows of a strip where the tile lies; `gap` hears of runs on which nothing was
    /// laid. `known` are weights beside the tile's own, pixel by pixel, if there are.
    pub fn finish<T: Pixel>(
        &self,
        (method, normalise, told): (Method, bool, Told),
        known: &[f64],
        inset: &Inset,
        out: &mut [T],
        gap: &mut dyn FnMut(Range<usize>),
    ) {
        match self {
            Tile::Slots { value, weight, rest } => {
                let ranked = matches!(method, Method::First | Method::Last);
                let cols = inset.cols;
                let mut sums = Vec::new();
                let weight = match (known.is_empty(), weight.is_empty()) {
                    (false, true) => known,
                    (false, false) => {
                        sums.extend(weight.iter().zip(known).map(|(own, known)| own + known));
                        &sums
                    }
                    (true, false) => weight.as_slice(),
                    (true, true) => {
                        sums.resize(value.len(), 0.0);
                        &sums
                    }
                };
                let rows = value.chunks_exact(cols).zip(weight.chunks_exact(cols)).enumerate();
                for (row, (value, weight)) in rows {
                    let first = row * inset.stride + inset.first;
                    let to = &mut out[first..first + cols];
                    match (method, told) {
                        (_, Told::Weight) | (Method::Count, _) => copy(to, weight),
                        (Method::Min | Method::Max | Method::First | Method::Last | Method::Sum, _) => {
                            copy(to, value);
                        }
                        (Method::OverlapAdd, _) if !normalise => copy(to, value),
                        _ => match rest {
                            Some(rest) => {
                                let slots = value.iter().zip(weight).zip(&rest[row * cols..]);
                                for (to, ((x, w), rest)) in to.iter_mut().zip(slots) {
                                    let sum = Double { high: *x, low: rest.0 };
                                    *to = T::of(sum.over(Double { high: *w, low: rest.1 }));
                                }
                            }
                            None => {
                                for (to, (x, w)) in to.iter_mut().zip(value.iter().zip(weight)) {
                                    *to = T::of(x / w);
                                }
                            }
                        },
                    }
                    match ranked {
                        true if told == Told::Weight => gap(first..first + cols),
                        true => gaps(weight, |w| w.is_nan(), first, to, gap),
                        false => gaps(weight, |w| *w == 0.0, first, to, gap),
                    }
                }
            }
            Tile::Kept { index, value, weight } => {
                let votes = !weight.is_empty();
                let mut order: Vec<u32> = (0..index.len() as u32).collect();
                let key = |at: &u32| {
                    let at = *at as usize;
                    (index[at], value[at], if votes { weight[at] } else { 1.0 })
                };
                let compared = Steps::default();
                order.sort_unstable_by(|a, b| {
                    compared.step();
                    let ((ia, va, wa), (ib, vb, wb)) = (key(a), key(b));
                    ia.cmp(&ib).then(va.total_cmp(&vb)).then(wa.total_cmp(&wb))
                });
                let rows = (out.len() - inset.first).div_ceil(inset.stride);
                let mut laid = vec![false; rows * inset.cols];
                let mut pixel = Vec::new();
                for run in order.chunk_by(|a, b| index[*a as usize] == index[*b as usize]) {
                    pixel.clear();
                    pixel.extend(run.iter().map(|at| (key(at).1, key(at).2)));
                    let at = index[run[0] as usize] as usize;
                    if at < laid.len() {
                        laid[at] = true;
                        let (row, col) = (at / inset.cols, at % inset.cols);
                        out[row * inset.stride + inset.first + col] = T::of(of_pixel(method, told, &pixel));
                    }
                }
                for (row, laid) in laid.chunks_exact(inset.cols).enumerate() {
                    let first = row * inset.stride + inset.first;
                    gaps(laid, |laid| !laid, first, &mut out[first..first + inset.cols], gap);
                }
            }
        }
    }
}

fn add(to: &mut [f64], its: &[f64]) {
    for (to, value) in to.iter_mut().zip(its) {
        *to += value;
    }
}

fn copy<T: Pixel>(to: &mut [T], from: &[f64]) {
    for (to, value) in to.iter_mut().zip(from) {
        *to = T::of(*value);
    }
}

/// Tells the runs of a row on which nothing was laid, and leaves nothing there.
fn gaps<T: Pixel, S>(
    row: &[S],
    bare: impl Fn(&S) -> bool,
    first: usize,
    to: &mut [T],
    gap: &mut dyn FnMut(Range<usize>),
) {
    if row.iter().filter(|slot| bare(slot)).count() == 0 {
        return;
    }
    let mut from = 0;
    for run in row.chunk_by(|a, b| bare(a) == bare(b)) {
        if bare(&run[0]) {
            to[from..from + run.len()].fill(T::default());
            gap(first + from..first + from + run.len());
        }
        from += run.len();
    }
}

/// The parts of a range of a window that lie on one tile each.
pub fn pieces(range: Range<usize>, offset: i64, side: usize) -> impl Iterator<Item = Range<usize>> {
    let mut next = range.start;
    std::iter::from_fn(move || {
        if next >= range.end {
            return None;
        }
        let on = (offset + next as i64) as usize;
        let piece = next..range.end.min(next + side - on % side);
        next = piece.end;
        Some(piece)
    })
}

fn lay_slots(lay: &Lay, value: &mut [f64], weight: &mut [f64], values: &[f64], weights: &[f64]) {
    let slots = value.iter_mut().zip(weight).zip(values.iter().zip(weights));
    match lay.method {
        Method::Min | Method::Max => {
            for ((value, weight), (x, w)) in slots {
                if *w != 0.0 {
                    pick(lay.method, value, *weight != 0.0, *x);
                    *weight += w;
                }
            }
        }
        Method::First | Method::Last => {
            for ((value, weight), (x, w)) in slots {
                if *w != 0.0 {
                    rank(lay.method, (value, weight), *x, lay.rank);
                }
            }
        }
        _ if lay.tapered => {
            for ((value, weight), (x, w)) in slots {
                *value += x;
                *weight += w;
            }
        }
        _ => {
            for ((value, weight), (x, w)) in slots {
                *value += w * x;
                *weight += w;
            }
        }
    }
}

/// The lesser or greater of two values; NaN goes before both, as in `numpy.minimum`.
#[inline]
fn pick(method: Method, value: &mut f64, there: bool, x: f64) {
    let better = if method == Method::Min { x < *value } else { x > *value };
    if !there || better || x.is_nan() {
        *value = x;
    }
}

/// The value of the lesser or greater rank; of equal ranks, the lesser value.
#[inline]
fn rank(method: Method, (value, rank): (&mut f64, &mut f64), x: f64, its: f64) {
    let better = match method {
        Method::First => its < *rank,
        _ => its > *rank,
    };
    if rank.is_nan() || better || its == *rank && x.total_cmp(value).is_lt() {
        (*value, *rank) = (x, its);
    }
}

/// What is told of one pixel's values and weights, sorted.
fn of_pixel(method: Method, told: Told, pixel: &[(f64, f64)]) -> f64 {
    let n = pixel.len();
    if told == Told::Weight {
        return pixel.iter().map(|(_, weight)| weight).sum();
    }
    let any_nan = pixel.iter().any(|(value, _)| value.is_nan());
    match method {
        _ if any_nan && method != Method::Mode && method != Method::Vote => f64::NAN,
        Method::Median => {
            let (below, above) = (pixel[(n - 1) / 2].0, pixel[n / 2].0);
            if below == above { below } else { below + (above - below) / 2.0 }
        }
        Method::Mode | Method::Vote => {
            let mut best = (f64::NAN, 0.0);
            for same in pixel.chunk_by(|a, b| a.0 == b.0 || a.0.is_nan() && b.0.is_nan()) {
                let weights: f64 = same.iter().map(|(_, weight)| weight).sum();
                if weights > best.1 {
                    best = (same[0].0, weights);
                }
            }
            best.0
        }
        _ => {
            // Values that are all the same have this very mean.
            let centre = pixel[0].0;
            let mean = centre + pixel.iter().map(|(x, _)| x - centre).sum::<f64>() / n as f64;
            if method == Method::MeanStd && told == Told::Value {
                return mean;
            }
            let variance = pixel.iter().map(|(x, _)| (x - mean).powi(2)).sum::<f64>() / n as f64;
            if method == Method::Variance { variance } else { variance.sqrt() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(method: Method, wide: bool, rows: &[(f64, f64, f64)]) -> (Option<f64>, Option<f64>) {
        let mut tile = Tile::new(method, wide, 1);
        for (x, w, rank) in rows {
            tile.lay(&Lay { method, wide, tapered: false, rank: *rank }, 0, &[*x], &[*w]);
        }
        let tell = |told| {
            let (mut values, mut laid) = ([0.0], true);
            let inset = Inset { first: 0, cols: 1, stride: 1 };
            tile.finish((method, true, told), &[], &inset, &mut values, &mut |_| laid = false);
            laid.then_some(values[0])
        };
        (tell(Told::Value), tell(if method == Method::MeanStd { Told::Deviation } else { Told::Weight }))
    }

    #[test]
    fn each_method_makes_of_several_values_what_it_says() {
        let rows = [(4.0, 1.0, 2.0), (1.0, 2.0, 1.0), (1.0, 1.0, 9.0), (10.0, 4.0, 5.0)];
        let ones = rows.map(|(x, _, rank)| (x, 1.0, rank));
        for wide in [false, true] {
            let of = |method| laid(method, wide, &rows);
            let alone = |method| laid(method, wide, &ones);
            assert_eq!(of(Method::OverlapAdd), (Some(47.0 / 8.0), Some(8.0)));
            assert_eq!(alone(Method::Mean), (Some(4.0), Some(4.0)));
            assert_eq!(alone(Method::Sum), (Some(16.0), Some(4.0)));
            assert_eq!(alone(Method::Count), (Some(4.0), Some(4.0)));
            assert_eq!(alone(Method::Min), (Some(1.0), Some(4.0)));
            assert_eq!(alone(Method::Max), (Some(10.0), Some(4.0)));
            assert_eq!(of(Method::First), (Some(1.0), None));
            assert_eq!(of(Method::Last), (Some(1.0), None));
            assert_eq!(alone(Method::Median), (Some(2.5), Some(4.0)));
            assert_eq!(alone(Method::Mode), (Some(1.0), Some(4.0)));
            assert_eq!(of(Method::Vote), (Some(10.0), Some(8.0)));
            assert_eq!(alone(Method::Variance), (Some(13.5), Some(4.0)));
            assert_eq!(alone(Method::MeanStd), (Some(4.0), Some(13.5f64.sqrt())));
        }
    }

    #[test]
    fn what_has_no_weight_was_not_laid() {
        for (_, method) in METHODS {
            assert_eq!(laid(method, false, &[(5.0, 0.0, 1.0)]).0, None, "{method:?}");
            assert!(laid(method, false, &[(5.0, 0.0, 1.0), (7.0, 1.0, 2.0)]).0.is_some());
        }
    }

    #[test]
    fn ties_go_to_the_smaller_value() {
        assert_eq!(laid(Method::Mode, false, &[(3.0, 1.0, 0.0), (2.0, 1.0, 0.0)]).0, Some(2.0));
        assert_eq!(laid(Method::Vote, false, &[(3.0, 0.5, 0.0), (2.0, 0.5, 0.0)]).0, Some(2.0));
        assert_eq!(laid(Method::First, false, &[(3.0, 1.0, 7.0), (2.0, 1.0, 7.0)]).0, Some(2.0));
        assert_eq!(laid(Method::Last, false, &[(2.0, 1.0, 7.0), (3.0, 1.0, 7.0)]).0, Some(2.0));
    }

    #[test]
    fn nan_is_a_value() {
        for method in [Method::Mean, Method::Min, Method::Max, Method::Median, Method::Variance, Method::Sum]
        {
            let got = laid(method, false, &[(1.0, 1.0, 0.0), (f64::NAN, 1.0, 0.0), (2.0, 1.0, 0.0)]).0;
            assert!(got.is_some_and(f64::is_nan), "{method:?} {got:?}");
        }
    }
}
