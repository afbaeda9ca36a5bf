//! Queries: where and when a sample lies, before any file is looked at. Drawn for training, laid out for evaluation.

pub mod area;
pub mod evaluation;
pub mod land;
pub mod size;
pub mod training;

use area::Area;

/// By whose rules queries are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On the sphere: centres are drawn evenly by area, boxes go on over the antimeridian.
    Sphere,
    /// As the published generator of OceanTACO, bit for bit: evenly by degrees, boxes are cut at the antimeridian.
    OceanTaco,
}

/// The modes by their names.
pub const MODES: [(&str, Mode); 2] = [("sphere", Mode::Sphere), ("oceantaco", Mode::OceanTaco)];

/// A box and some days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query {
    /// Where.
    pub area: Area,
    /// The first day, since 1970.
    pub first_day: i64,
    /// The last day, inside.
    pub last_day: i64,
    /// The share of land, where a mask tells it.
    pub land_fraction: Option<f64>,
}

/// Days that windows of days lie in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Days {
    /// The first one, since 1970.
    pub first: i64,
    /// The last one, inside.
    pub last: i64,
    /// Days of a window, at least 1 and no more than there are.
    pub window: i64,
}

impl Days {
    /// How far behind the first day a window may start.
    pub fn latest(&self) -> u64 {
        (self.last - self.first + 1 - self.window).max(0) as u64
    }

    /// First and last day of the window that starts so many days behind the first.
    pub fn window(&self, start: u64) -> (i64, i64) {
        let first = self.first.saturating_add_unsigned(start);
        (first, first.saturating_add(self.window - 1))
    }
}
