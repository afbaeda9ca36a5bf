//! `geo_align_depth`: a profile on another axis of depths.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::rows::lists_in_parallel;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result, one_of};
use crate::profile::depth::{Aligned, Profile};
use crate::sql::shared::stitching::numbers::{DATA, INEXACT, Row};
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::workers;

/// The scalar `geo_align_depth`.
pub struct GeoAlignDepth;

const FLAGGED: &str = "STRUCT(values FLOAT[], flags UTINYINT[])";

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_align_depth",
    kind: Kind::Scalar,
    summary: "A profile on another axis of depths: linear, and only near observations.",
    parameters: &[
        Parameter {
            name: "depths",
            types: "DOUBLE[]",
            given: Given::Required,
            meaning: "Depths of the observations, metres, downwards, in any order. Those below 0, NULL, NaN or infinite are left out; values of one depth are averaged.",
        },
        Parameter {
            name: "values",
            types: DATA,
            given: Given::Required,
            meaning: "As many values; NULL, NaN and infinite ones are left out.",
        },
        Parameter {
            name: "axis",
            types: "DOUBLE[]",
            given: Given::Required,
            meaning: "The depths that are wanted, in any order. One between the shallowest and the deepest observation has a value where the nearest is at most max(0.1 x depth, 10 m) away.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "Flags of the observations; may differ from row to row.",
        },
        option(
            "qc",
            "UTINYINT[]",
            "NULL",
            "A flag for each value. A depth within 1e-6 m of an observation has the flag of that one, any other the larger of its neighbours'; of observations of one depth, the largest counts.",
        ),
        option(
            "accept",
            "UTINYINT[]",
            "[1, 2]",
            "Flags that are good: a value with another one is NULL. One without a flag (NULL) is good.",
        ),
    ],
    columns: &[column(
        "aligned",
        "FLOAT[]",
        "A value for each depth of the axis, interpolated in DOUBLE; NULL where there is none. With options `STRUCT(values FLOAT[], flags UTINYINT[])`: `flags` are told of values that were left out, too, and are NULL where no flag is known.",
    )],
    nulls: "NULL for NULL depths, values or axis. `qc` of NULL: no flag is known.",
    errors: &[
        "values or qc of another length than depths",
        "a value beyond the largest FLOAT",
        "an option that is none; a flag that is no whole number from 0 to 255; accept without qc",
        INEXACT,
    ],
    examples: &[
        Example {
            title: "A cast on the first nine levels of an ocean model",
            sql: "SELECT geo_align_depth([2, 10, 20, 50, 100, 200], [20, 19, 18, 15, 10, 5]::FLOAT[], [0.494, 1.541, 5.078, 9.573, 15.81, 29.44, 55.76, 109.7, 222.5]) AS aligned;",
            rows: &["[NULL, NULL, 19.61525, 19.053375, 18.419, 17.056, 14.424, 9.515, NULL]"],
        },
        Example {
            title: "With flags: a bad observation takes what lies beside it along",
            sql: "SELECT geo_align_depth([0, 10, 20, 30], [20, 19, 99, 18]::FLOAT[], [5, 10, 15, 25, 30], {qc: [1, 1, 4, 2]}) AS aligned;",
            rows: &["{'values': [19.5, 19.0, NULL, NULL, 18.0], 'flags': [1, 1, 4, 4, 2]}"],
        },
    ],
    references: &[
        "PyPI depth-recon: _align_argo_profile_to_glorys_depths, _project_argo_qc_to_glorys_depths",
        "numpy.interp",
    ],
};

/// What is known before any row.
pub struct Bound {
    /// The fields `qc` and `accept` of the options, where they were given.
    fields: [Option<usize>; 2],
    threads: usize,
}

/// A row.
struct Job {
    profile: Profile,
    axis: Vec<Option<f64>>,
    accepted: Vec<u8>,
}

fn blame(parameter: &str) -> impl Fn(Error) -> Error + '_ {
    move |error| error.at(format!("{}({parameter})", DOC.name))
}

impl ScalarFunction for GeoAlignDepth {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        SqlType::parse(if arguments.len() > 3 { FLAGGED } else { "FLOAT[]" })
    }

    fn bind(call: Call) -> Result<Bound> {
        let mut fields = [None; 2];
        if call.arguments() > 3 {
            let known = [("qc", 0), ("accept", 1)];
            for (index, (name, _)) in call.fields(3)?.iter().enumerate() {
                let found = one_of(&name.to_lowercase(), "an option", &known).map_err(blame("options"))?;
                fields[found] = Some(index);
            }
            if fields[0].is_none() {
                let error = Error::conflict("options without qc", "For example {qc: flags}");
                return Err(blame("options")(error));
            }
        }
        Ok(Bound { fields, threads: call.limits.threads })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let jobs = jobs(bound, input)?;
        let aligned = |job: &Job| job.profile.align(&job.axis, &job.accepted).map_err(blame("values"));
        let length = |job: &Job| job.axis.len();
        if bound.fields[0].is_none() {
            return lists_in_parallel(out, &jobs, bound.threads, length, |job, items| {
                Ok(fill(&aligned(job)?.values, items))
            });
        }
        let mut done: Vec<Option<(&Job, Aligned)>> =
            jobs.iter().map(|job| job.as_ref().map(|job| (job, Aligned::default()))).collect();
        workers::each(&mut done, bound.threads, |row| {
            if let Some((job, found)) = row {
                *found = aligned(job)?;
            }
            Ok(())
        })?;
        let done: Vec<Option<Aligned>> = done.into_iter().map(|row| row.map(|(_, found)| found)).collect();
        let none: Vec<usize> = (0..done.len()).filter(|row| done[*row].is_none()).collect();
        let [values, flags] = out.fields_mut(["values", "flags"])?;
        lists_in_parallel(
            values,
            &done,
            1,
            |row| row.values.len(),
            |row, items| Ok(fill(&row.values, items)),
        )?;
        lists_in_parallel(flags, &done, 1, |row| row.flags.len(), |row, items| Ok(fill(&row.flags, items)))?;
        none.into_iter().for_each(|row| out.set_null(row));
        Ok(())
    }
}

/// Writes what there is, and tells the runs of what there is not.
fn fill<T: Copy + Default>(values: &[Option<T>], items: &mut [T]) -> Vec<std::ops::Range<usize>> {
    let mut gaps: Vec<std::ops::Range<usize>> = Vec::new();
    for (index, (item, value)) in items.iter_mut().zip(values).enumerate() {
        *item = value.unwrap_or_default();
        match gaps.last_mut() {
            _ if value.is_some() => {}
            Some(last) if last.end == index => last.end = index + 1,
            _ => gaps.push(index..index + 1),
        }
    }
    gaps
}

fn jobs(bound: &Bound, input: &Input<'_>) -> Result<Vec<Option<Job>>> {
    let mut columns = [0, 1, 2].map(|index| Pieces::of(input.column(index)));
    let (mut depths, mut values, mut axis) = (Row::default(), Row::default(), Row::default());
    let mut jobs = Vec::with_capacity(input.rows());
    for row in 0..input.rows() {
        if (0..3).any(|column| input.column(column).is_null(row)) {
            jobs.push(None);
            continue;
        }
        for (read, column) in [&mut depths, &mut values, &mut axis].into_iter().zip(&mut columns) {
            match column {
                Ok(column) => read.read(column, row)?,
                Err(error) => return Err(error.clone()),
            }
        }
        let count = depths.values.len();
        if values.values.len() != count {
            let problem = format!("{} values for {count} depths", values.values.len());
            return Err(blame("values")(Error::conflict(problem, "Give one value a depth")));
        }
        let (flags, accepted) = flags(bound, input, row, count)?;
        let hide = |row: &mut Row| {
            let missing = row.values.iter_mut().zip(&row.valid).filter(|(_, valid)| !**valid);
            missing.for_each(|(value, _)| *value = f64::NAN);
        };
        hide(&mut depths);
        hide(&mut values);
        let profile = Profile::new(&depths.values, &values.values, flags.as_deref());
        let axis = (0..axis.values.len()).map(|i| axis.has(i).then(|| axis.values[i])).collect();
        jobs.push(Some(Job { profile, axis, accepted }));
    }
    Ok(jobs)
}

/// Flags of a row's values, and those that are good.
type Flags = (Option<Vec<Option<u8>>>, Vec<u8>);

/// A row's flags, and those that are good. Without options none at all.
fn flags(bound: &Bound, input: &Input<'_>, row: usize, count: usize) -> Result<Flags> {
    let [Some(qc), accept] = bound.fields else { return Ok((None, Vec::new())) };
    let options = input.column(3);
    let all = |field: usize, parameter: &str| {
        let must = "a list of whole numbers from 0 to 255";
        let value = match options.is_null(row) {
            true => Value::Null,
            false => Value::of(options.field(field), row),
        };
        let one = |item: &Value| match item {
            Value::Null => Ok(None),
            Value::Int(flag) if u8::try_from(*flag).is_ok() => Ok(u8::try_from(*flag).ok()),
            other => Err(blame(parameter)(Error::invalid(other, must))),
        };
        match &value {
            Value::Null => Ok(None),
            Value::List(items) => items.iter().map(one).collect::<Result<Vec<_>>>().map(Some),
            other => Err(blame(parameter)(Error::invalid(other, must))),
        }
    };
    let flags = all(qc, "qc")?.unwrap_or_else(|| vec![None; count]);
    if flags.len() != count {
        let problem = format!("{} flags for {count} depths", flags.len());
        return Err(blame("qc")(Error::conflict(problem, "Give one flag a depth, NULL where there is none")));
    }
    let accepted = match accept {
        Some(field) => all(field, "accept")?.map(|flags| flags.into_iter().flatten().collect()),
        None => None,
    };
    Ok((Some(flags), accepted.unwrap_or_else(|| vec![1, 2])))
}
