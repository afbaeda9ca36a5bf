//! A GRIB field's grid: what it is, the order of its points, and where its rows and columns lie.

use std::fmt;

use crate::error::{Cause, ReasonResult};

/// The description of a grid, from section 3 of edition 2 and section 2 of edition 1. Two are equal when their bytes are,
/// but for what these say of vectors.
#[derive(Debug, Clone)]
pub struct Grid {
    edition: u8,
    kind: Kind,
    /// Columns.
    pub width: u64,
    /// Rows.
    pub height: u64,
    /// Points that it is said to have, in edition 2.
    points: Option<u64>,
    /// Bits: 0x80 rows run west, 0x40 rows follow each other northwards, 0x20 points follow each other along columns, 0x10
    /// every other row runs back.
    scan: u8,
    /// Latitude and longitude of the first and, in degrees, of the last point.
    first: (f64, f64),
    last: (f64, f64),
    bytes: Vec<u8>,
}

impl PartialEq for Grid {
    fn eq(&self, other: &Grid) -> bool {
        self.kind == other.kind && self.bytes == other.bytes
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Degrees,
    /// Parallels between the pole and the equator.
    Gaussian(u64),
    Projected,
    /// One that has no rows of one length, by its name.
    Refused(&'static str),
    /// One that has rows and columns, of which no more is known here.
    Other,
    Unknown,
}

/// Corrections to where GDAL lays a grid, which has its rows from the south and its columns from the west.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Correction {
    /// Columns that it lies further west.
    pub west: u64,
    /// Rows that it lies further north.
    pub north: i64,
    /// Latitudes of the rows, from the south, where they are no even steps.
    pub latitudes: Option<Vec<f64>>,
}

/// Latitude and longitude of a corner point, in degrees, where they are told.
type Corner = Option<(f64, f64)>;

impl Grid {
    /// A grid of a kind that is not read.
    pub fn unknown() -> Grid {
        let (first, last) = ((f64::NAN, f64::NAN), (f64::NAN, f64::NAN));
        Grid {
            edition: 0,
            kind: Kind::Unknown,
            width: 0,
            height: 0,
            points: None,
            scan: 0,
            first,
            last,
            bytes: Vec::new(),
        }
    }

    /// By section 3 of edition 2.
    pub fn of_edition_2(section: &[u8]) -> Grid {
        let octets = Octets(section);
        let template = octets.number(13, 2).unwrap_or(u64::MAX);
        let degrees = |from: usize| {
            // A basic angle of 0 or "missing" means millionths of a degree.
            let (basic, parts) = (octets.number(39, 4)?, octets.number(43, 4)?);
            let unit = match (basic, parts) {
                (0 | 0xffff_ffff, _) | (_, 0 | 0xffff_ffff) => 1e-6,
                (basic, parts) => basic as f64 / parts as f64,
            };
            Some((octets.signed(from, 4)? * unit, octets.signed(from + 4, 4)? * unit))
        };
        let (kind, scan) = match template {
            0..=3 => (Kind::Degrees, 72),
            40..=43 => (Kind::Gaussian(octets.number(68, 4).unwrap_or(0)), 72),
            10 => (Kind::Projected, 60),
            20 | 30 | 31 => (Kind::Projected, 65),
            140 => (Kind::Projected, 64),
            50..=53 | 61..=63 => (Kind::Refused("coefficients of spherical harmonics"), 0),
            100 | 101 | 204 => (Kind::Refused("an unstructured grid"), 0),
            12 | 90 | 110 => (Kind::Other, 0),
            _ => (Kind::Unknown, 0),
        };
        let degrees_of = |from: usize| match kind {
            Kind::Degrees | Kind::Gaussian(_) => degrees(from),
            _ => None,
        };
        let (first, last) = (degrees_of(47), degrees_of(56));
        let sides = (octets.number(31, 4), octets.number(35, 4));
        let reduced = |n: Option<u64>| n == Some(0xffff_ffff);
        // Whether winds are those of the grid or of the globe is no matter of where it lies.
        let flags = match template {
            10 | 20 | 30 | 31 => 47,
            _ => 55,
        };
        let grid = Grid::made(kind, sides, reduced, octets.number(scan, 1), (first, last), section.get(12..));
        Grid { edition: 2, points: octets.number(7, 4), ..grid.without(flags - 13) }
    }

    /// By section 2 of edition 1.
    pub fn of_edition_1(section: &[u8]) -> Grid {
        let octets = Octets(section);
        let kind = match octets.number(6, 1).unwrap_or(u64::MAX) {
            0 | 10 | 20 | 30 => Kind::Degrees,
            4 | 14 | 24 | 34 => Kind::Gaussian(octets.number(26, 2).unwrap_or(0)),
            1 | 3 | 5 | 8 | 13 => Kind::Projected,
            50 | 60 | 70 | 80 => Kind::Refused("coefficients of spherical harmonics"),
            _ => Kind::Unknown,
        };
        let degrees =
            |from: usize| Some((octets.signed(from, 3)? * 1e-3, octets.signed(from + 3, 3)? * 1e-3));
        let sides = (octets.number(7, 2), octets.number(9, 2));
        let reduced = |n: Option<u64>| n == Some(0xffff);
        let ends = (degrees(11), degrees(18));
        let grid = Grid::made(kind, sides, reduced, octets.number(28, 1), ends, section.get(5..));
        Grid { edition: 1, ..grid.without(17 - 6) }
    }

    /// Two grids that differ in this byte alone are one.
    fn without(mut self, byte: usize) -> Grid {
        if let Some(byte) = self.bytes.get_mut(byte) {
            *byte = 0;
        }
        self
    }

    fn made(
        kind: Kind,
        (width, height): (Option<u64>, Option<u64>),
        missing: impl Fn(Option<u64>) -> bool,
        scan: Option<u64>,
        (first, last): (Corner, Corner),
        bytes: Option<&[u8]>,
    ) -> Grid {
        let kind = match kind {
            Kind::Gaussian(_) if missing(width) || missing(height) => {
                Kind::Refused("a reduced Gaussian grid")
            }
            Kind::Degrees if missing(width) || missing(height) => {
                Kind::Refused("a reduced grid of latitudes and longitudes")
            }
            kind => kind,
        };
        let none = (f64::NAN, f64::NAN);
        Grid {
            edition: 0,
            kind,
            width: width.unwrap_or(0),
            height: height.unwrap_or(0),
            points: None,
            scan: scan.unwrap_or(0) as u8,
            first: first.unwrap_or(none),
            last: last.unwrap_or(none),
            bytes: bytes.unwrap_or_default().to_vec(),
        }
    }

    /// Why it cannot be read; `None` when it can.
    pub fn refusal(&self) -> Option<String> {
        let name = match self.kind {
            Kind::Refused(name) => name,
            Kind::Unknown => return None,
            _ => return self.absurdity(),
        };
        Some(format!(
            "it has a field on {name}, which has no rows and columns: bring it onto a regular grid first, as cdo setgridtype,regular does (of spherical harmonics cdo sp2gp)"
        ))
    }

    /// A size that no grid has, which GDAL takes for a negative one, or divides by.
    fn absurdity(&self) -> Option<String> {
        const MOST: u64 = i32::MAX as u64;
        let (width, height) = (self.width, self.height);
        let sides = [width, height].iter().all(|side| (1..=MOST).contains(side));
        let points = width.saturating_mul(height);
        if sides && points <= MOST && self.points.is_none_or(|told| told == points) {
            return None;
        }
        let told = self.points.map_or(String::new(), |told| format!(", and says that these are {told}"));
        Some(format!("it has a field on {width} x {height} points{told}: it is damaged"))
    }

    /// Column and row, from the south-west, of a point by its number in the message.
    pub fn position(&self, index: u64) -> (u64, u64) {
        let (width, height) = (self.width.max(1), self.height.max(1));
        let flag = |bit: u8| self.scan & bit != 0;
        let (mut x, mut y);
        if flag(0x20) {
            (x, y) = (index / height, index % height);
            if flag(0x10) && x % 2 == 1 {
                y = height - 1 - y;
            }
        } else {
            (x, y) = (index % width, index / width);
            if flag(0x10) && y % 2 == 1 {
                x = width - 1 - x;
            }
        }
        if flag(0x80) {
            x = (width - 1).saturating_sub(x);
        }
        if !flag(0x40) {
            y = (height - 1).saturating_sub(y);
        }
        (x, y)
    }

    /// The longitude of the first point of a grid in degrees.
    pub fn first_longitude(&self) -> f64 {
        self.first.1
    }

    /// Where it lies, against where GDAL lays it: from its first point eastwards; a projected one from there northwards in
    /// edition 2 whatever its scanning mode, and in edition 1 where that says so and nothing else.
    ///
    /// # Errors
    /// A Gaussian grid whose rows are no parallels of it.
    pub fn correction(&self) -> ReasonResult<Correction> {
        let mut correction = Correction::default();
        if self.scan & 0x80 != 0 && matches!(self.kind, Kind::Degrees | Kind::Gaussian(_) | Kind::Projected) {
            correction.west = self.width.saturating_sub(1);
        }
        if self.kind == Kind::Projected {
            let rows = i64::try_from(self.height).unwrap_or(0).saturating_sub(1);
            let northwards = self.scan & 0x40 != 0;
            correction.north = match self.edition {
                1 if northwards && self.scan != 0x40 => rows,
                2 if !northwards => -rows,
                _ => 0,
            };
        }
        if let Kind::Gaussian(parallels) = self.kind {
            correction.latitudes = Some(self.parallels(parallels)?);
        }
        Ok(correction)
    }

    /// The latitudes of a Gaussian grid's rows, from the south.
    fn parallels(&self, n: u64) -> ReasonResult<Vec<f64>> {
        const MOST: u64 = 1 << 12;
        let (south, north) = (self.first.0.min(self.last.0), self.first.0.max(self.last.0));
        let wrong = || {
            Cause::from(format!(
                "its Gaussian grid of {} rows from {south} to {north} degrees has no such rows among its {n} parallels between pole and equator",
                self.height
            ))
        };
        if n == 0 || n > MOST || self.height > 2 * n {
            return Err(wrong());
        }
        let all = gaussian(n as usize);
        let half = 90.0 / all.len() as f64;
        let first = all.iter().position(|lat| (lat - south).abs() < half).ok_or_else(wrong)?;
        let rows = all.get(first..first + self.height as usize).ok_or_else(wrong)?;
        match rows.last() {
            Some(last) if (last - north).abs() < half => Ok(rows.to_vec()),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} points", self.width, self.height)?;
        let (lat, lon) = self.first;
        if lat.is_finite() && lon.is_finite() { write!(f, " from {lon} E {lat} N on") } else { Ok(()) }
    }
}

/// The 2 n latitudes of a Gaussian grid, from the south: the roots of the Legendre polynomial of degree 2 n, by Newton's
/// method from Bruns' estimate.
fn gaussian(n: usize) -> Vec<f64> {
    let degree = 2 * n;
    let root = |k: usize| {
        let mut x = (std::f64::consts::PI * (k as f64 + 0.75) / (degree as f64 + 0.5)).cos();
        for _ in 0..16 {
            let (mut before, mut value) = (1.0, x);
            for l in 2..=degree {
                let l = l as f64;
                (before, value) = (value, ((2.0 * l - 1.0) * x * value - (l - 1.0) * before) / l);
            }
            let slope = degree as f64 * (x * value - before) / (x * x - 1.0);
            let by = value / slope;
            x -= by;
            if by.abs() < 1e-15 {
                break;
            }
        }
        x.asin().to_degrees()
    };
    let north: Vec<f64> = (0..n).map(root).collect();
    north.iter().map(|lat| -lat).chain(north.iter().rev().copied()).collect()
}

/// Octets by the numbers that the manual gives them, from 1.
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn number(&self, from: usize, count: usize) -> Option<u64> {
        let octets = self.0.get(from.checked_sub(1)?..from - 1 + count)?;
        Some(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    }

    /// A sign bit and a magnitude.
    fn signed(&self, from: usize, count: usize) -> Option<f64> {
        let number = self.number(from, count)?;
        let sign = 1 << (8 * count - 1);
        let magnitude = (number & (sign - 1)) as f64;
        Some(if number & sign != 0 { -magnitude } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussian_latitudes_are_those_of_tables() {
        // Abramowitz and Stegun, table 25.4: the abscissas of degree 4.
        let expected =
            [-0.861_136_311_594_053, -0.339_981_043_584_856, 0.339_981_043_584_856, 0.861_136_311_594_053];
        for (lat, x) in gaussian(2).iter().zip(expected) {
            assert!((lat.to_radians().sin() - x).abs() < 1e-14, "{lat}");
        }
        let many = gaussian(320);
        assert!(
            many.windows(2).all(|pair| pair[0] < pair[1]) && (many[639] - 89.784_876_907_219).abs() < 1e-9
        );
    }

    /// Section 3 with a grid of latitudes and longitudes.
    fn of_size(points: u32, width: u32, height: u32) -> Grid {
        let mut section = vec![0; 72];
        section[6..10].copy_from_slice(&points.to_be_bytes());
        section[30..34].copy_from_slice(&width.to_be_bytes());
        section[34..38].copy_from_slice(&height.to_be_bytes());
        Grid::of_edition_2(&section)
    }

    #[test]
    fn a_size_that_no_grid_has_is_damage() {
        assert_eq!(of_size(24, 6, 4).refusal(), None);
        for (points, width, height) in
            [(24, 6 | 1 << 31, 4), (0, 0, 4), (0, 6, 0), (24, 6, 5), (0, 1 << 16, 1 << 16)]
        {
            let said = of_size(points, width, height).refusal().unwrap();
            assert!(said.contains("damaged"), "{said}");
        }
        assert!(of_size(24, u32::MAX, 4).refusal().unwrap().contains("reduced"));
        let mut section = vec![0; 32];
        assert!(Grid::of_edition_1(&section).refusal().unwrap().contains("0 x 0 points"));
        (section[7], section[9]) = (6, 4);
        assert_eq!(Grid::of_edition_1(&section).refusal(), None);
        assert_eq!(Grid::unknown().refusal(), None);
    }

    #[test]
    fn every_scanning_mode_visits_each_point_once() {
        for scan in (0..16).map(|bits| bits << 4) {
            let grid = Grid { scan, width: 4, height: 3, ..Grid::unknown() };
            let mut seen: Vec<(u64, u64)> = (0..12).map(|index| grid.position(index)).collect();
            let west = scan & 0x80 != 0;
            assert_eq!(seen[0], (if west { 3 } else { 0 }, if scan & 0x40 != 0 { 0 } else { 2 }), "{scan}");
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 12, "{scan}");
        }
    }
}
