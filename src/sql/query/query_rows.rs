//! Queries as rows: what is known before they are made, and a scan of them.

use std::sync::{Mutex, PoisonError};

use crate::bbox::Bbox;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Column, column};
use crate::bridge::record::Timestamp;
use crate::bridge::rows::Cell;
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::query::Query;
use crate::query::evaluation::{Evaluation, Lattice};
use crate::query::land::Land;
use crate::query::training::Training;
use crate::sql::query::query_arguments::DAY;
use crate::sql::shared::shapes::BOX;

/// The columns of queries.
pub(super) const COLUMNS: [Column; 5] = [
    column("query_id", "BIGINT", "Number of the query, from 0."),
    column("bbox", BOX, "Where, degrees; xmin > xmax crosses the antimeridian, as `geo_slice` takes it."),
    column("t_min", "TIMESTAMP", "First instant of the first day, UTC."),
    column("t_max", "TIMESTAMP", "Last instant of the last day, inside."),
    column("land_fraction", "DOUBLE", "Share of land under the box; NULL without a mask."),
];

/// How queries are made.
pub enum Asked {
    /// Drawn.
    Training(Training),
    /// Laid.
    Evaluation(Evaluation),
}

/// What a call knows before any row.
pub struct Bound {
    /// How they are made.
    pub asked: Asked,
    /// The land mask.
    pub mask: Option<String>,
}

impl Bound {
    /// How many rows there will be, where that is known.
    pub fn rows(&self) -> Option<u64> {
        match &self.asked {
            Asked::Training(training) => Some(training.n as u64),
            Asked::Evaluation(_) => None,
        }
    }

    /// Makes the queries.
    ///
    /// # Errors
    /// What [`Training::draw`] and [`Evaluation::lay`] say.
    pub fn scan(&self) -> Result<Scan> {
        let land = match (&self.mask, &self.asked) {
            (None, _) => Land::Unasked,
            (
                Some(path),
                Asked::Training(Training { mode, .. }) | Asked::Evaluation(Evaluation { mode, .. }),
            ) => Land::open(path, *mode)?,
        };
        let queries = match &self.asked {
            Asked::Training(training) => Queries::Drawn(training.draw(&land)?),
            Asked::Evaluation(evaluation) => Queries::Laid(evaluation.lay(&land)?),
        };
        Ok(Scan { queries, next: Mutex::new(0) })
    }
}

enum Queries {
    Drawn(Vec<Query>),
    Laid(Lattice),
}

/// A scan under way.
pub struct Scan {
    queries: Queries,
    next: Mutex<u64>,
}

impl Scan {
    fn at(&self, index: u64) -> Option<Query> {
        match &self.queries {
            Queries::Drawn(queries) => queries.get(index as usize).copied(),
            Queries::Laid(lattice) => lattice.at(index),
        }
    }

    /// Fills the next rows.
    ///
    /// # Errors
    /// A vector of another type, which is a defect.
    pub fn fill(&self, out: &mut Chunk<'_>) -> Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *next;
        let queries: Vec<Query> = (first..).map_while(|index| self.at(index)).take(out.capacity()).collect();
        *next += queries.len() as u64;
        for (index, column) in COLUMNS.iter().enumerate() {
            if let Some(vector) = out.column(index) {
                write(column.name, first, &queries, vector)?;
            }
        }
        out.set_rows(queries.len());
        Ok(())
    }
}

fn write(name: &str, first: u64, queries: &[Query], vector: &mut Vector<'_>) -> Result<()> {
    for (row, query) in queries.iter().enumerate() {
        match name {
            "query_id" => (first as i64 + row as i64).write(vector, row)?,
            "bbox" => {
                let (xmin, xmax) = query.area.longitudes();
                Bbox { xmin, ymin: query.area.south, xmax, ymax: query.area.north }.write(vector, row)?;
            }
            "t_min" => Timestamp(query.first_day.saturating_mul(DAY)).write(vector, row)?,
            "t_max" => Timestamp((query.last_day + 1).saturating_mul(DAY) - 1).write(vector, row)?,
            _ => query.land_fraction.write(vector, row)?,
        }
    }
    Ok(())
}
