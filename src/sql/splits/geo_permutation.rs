//! `geo_permutation`: NumPy's seeded shuffle, which splits are drawn with.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::rows::{Cell, rows};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::random::Pcg64;
use crate::workers::go_on;

/// The scalar `geo_permutation`.
pub struct GeoPermutation;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_permutation",
    kind: Kind::Scalar,
    summary: "The numbers 0 to n - 1 in the random order that NumPy draws for a seed.",
    parameters: &[
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many numbers, 0 to 100,000,000.",
        },
        Parameter {
            name: "seed",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Seed of the stream, 0 or above.",
        },
    ],
    columns: &[Column {
        name: "order",
        types: "BIGINT[]",
        meaning: "`numpy.random.default_rng(seed).permutation(n)`, bit for bit.",
    }],
    nulls: "NULL for a NULL argument.",
    errors: &["n or seed below 0, or n above 100,000,000"],
    examples: &[Example {
        title: "A seeded order",
        sql: "SELECT geo_permutation(10, 7) AS places;",
        rows: &["[8, 0, 7, 1, 3, 6, 2, 4, 5, 9]"],
    }],
    references: &["numpy.random.Generator.permutation (PCG64, SeedSequence)"],
};

/// Numbers that are written a run at a time.
struct Order(Vec<u32>);

impl Cell for Order {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        const RUN: usize = 1 << 16;
        let (items, first) = out.push_list(row, self.0.len());
        for (index, run) in self.0.chunks(RUN).enumerate() {
            go_on()?;
            let part = items.slice_mut::<i64>(first + index * RUN, run.len());
            part.iter_mut().zip(run).for_each(|(item, number)| *item = (*number).into());
        }
        Ok(())
    }
}

impl ScalarFunction for GeoPermutation {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let (n, seed) = (input.column(0).get::<i64>(row), input.column(1).get::<i64>(row));
            let count = usize::try_from(n).ok().filter(|n| *n <= 100_000_000);
            let count =
                count.ok_or_else(|| Error::invalid(n, "between 0 and 100000000").at("geo_permutation(n)"))?;
            let seed = u64::try_from(seed)
                .map_err(|_| Error::invalid(seed, "0 or above").at("geo_permutation(seed)"))?;
            Ok(Some(Order(Pcg64::new(seed).permutation(count))))
        })
    }
}
