//! Registries: rows that each name a file and a window, and carry their other columns along.

use std::ops::Deref;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::format::parquet::{text, value};
use crate::grid::records::{Columns, Record, Records};
use crate::kept::Kept;
use crate::read::stream::{Row, Target};
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::window::Window;

/// Rows that each name a file and a window.
#[derive(Debug, Clone)]
pub struct Registry {
    records: Records,
    target: TargetColumns,
}

impl Deref for Registry {
    type Target = Records;

    fn deref(&self) -> &Records {
        &self.records
    }
}

/// Which column is the path and which one the window, and which fields of that one are its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TargetColumns {
    path: usize,
    window: usize,
    fields: [usize; 4],
    /// The fields that are a step of time, each with its column: `time` of `isel`, and `step` of `win`.
    steps: [Option<(usize, usize)>; 2],
}

/// The numbers of a window, in the order of [`TargetColumns::fields`].
const FIELDS: [&str; 4] = ["row_off", "col_off", "height", "width"];

/// The rows of a registry, in order.
pub type Rows = Box<dyn Iterator<Item = Result<Row<Record>>> + Send>;

const NEEDED: &str = "a registry has columns path VARCHAR and win STRUCT(row_off, col_off, height, width)";

impl Registry {
    /// # Errors
    /// Rows without `path` and `win`.
    pub fn of(records: Records) -> Result<Registry> {
        let target = target_columns(&records)?;
        Ok(Registry { records, target })
    }

    /// The rows from the beginning. One whose target cannot be told keeps its other columns.
    ///
    /// # Errors
    /// The file can no longer be read.
    pub fn read(&self) -> Result<Rows> {
        let registry = self.clone();
        let mut paths = Paths::default();
        Ok(Box::new(self.records.records()?.map(move |record| {
            let record = record?;
            Ok(Row { target: registry.target(&record, &mut paths), carried: record })
        })))
    }

    /// What a row names.
    ///
    /// # Errors
    /// A row without a path or a window.
    pub fn target(&self, record: &Record, paths: &mut Paths) -> Result<Target> {
        match &record.0 {
            Columns::Arrow(batch, row) => self.target_of_row(batch, *row, paths),
            Columns::Item(items, index) => match items.get(*index) {
                Some(Value::Struct(fields)) => self.target_of_item(fields, paths),
                _ => Err(self.no_target()),
            },
        }
    }

    fn target_of_row(&self, batch: &RecordBatch, row: usize, paths: &mut Paths) -> Result<Target> {
        let column = |index: usize| batch.columns().get(index).filter(|column| !column.is_null(row));
        let path = column(self.target.path).and_then(|column| text(column.as_ref(), row));
        let window = column(self.target.window).and_then(|column| column.as_struct_opt());
        let (Some(path), Some(window)) = (path, window) else { return Err(self.no_target()) };
        let number = |field: usize| {
            let column = window.columns().get(field)?;
            // A UBIGINT beyond BIGINT comes as a number below zero.
            let wide = |number: &i64| *number < 0 && *column.data_type() == DataType::UInt64;
            value(column.as_ref(), row).as_ref().and_then(Value::whole).filter(|number| !wide(number))
        };
        let step = self.step_of(|at, field| {
            let inside = column(at)?.as_struct_opt()?;
            value(inside.columns().get(field)?.as_ref(), row)
        });
        Ok(Target { path: paths.get(path), window: self.window(number)?, step: self.step(step.as_ref())? })
    }

    fn target_of_item(&self, fields: &[(String, Value)], paths: &mut Paths) -> Result<Target> {
        let value = |index: usize| fields.get(index).map(|(_, value)| value);
        let (Some(Value::Text(path)), Some(Value::Struct(window))) =
            (value(self.target.path), value(self.target.window))
        else {
            return Err(self.no_target());
        };
        let number = |field: usize| window.get(field).and_then(|(_, value)| value.whole());
        let step = self.step_of(|at, field| match value(at) {
            Some(Value::Struct(inside)) => inside.get(field).map(|(_, step)| step.clone()),
            _ => None,
        });
        Ok(Target { path: paths.get(path), window: self.window(number)?, step: self.step(step.as_ref())? })
    }

    /// The first step of time that a row has.
    fn step_of(&self, at: impl Fn(usize, usize) -> Option<Value>) -> Option<Value> {
        let known = |&(column, field): &(usize, usize)| at(column, field).filter(|step| *step != Value::Null);
        self.target.steps.iter().flatten().find_map(known)
    }

    /// The step of time that a row names.
    fn step(&self, value: Option<&Value>) -> Result<Option<u64>> {
        let Some(value) = value.filter(|value| **value != Value::Null) else { return Ok(None) };
        let step = value.whole().and_then(|step| u64::try_from(step).ok());
        step.map(Some).ok_or_else(|| self.bad("a row whose isel.time or win.step is no index from 0 on"))
    }

    fn no_target(&self) -> Error {
        self.bad("a row without a path or a win")
    }

    fn window(&self, number: impl Fn(usize) -> Option<i64>) -> Result<Window> {
        let mut sides = [0; 4];
        for ((side, field), name) in sides.iter_mut().zip(self.target.fields).zip(FIELDS) {
            let missing = || self.bad(&format!("a row whose win has no whole number for {name}"));
            *side = number(field).ok_or_else(missing)?;
        }
        let [row_off, col_off, height, width] = sides;
        Window::new(row_off, col_off, height, width)
    }
}

/// The paths that were met, each held once for all of its rows.
pub struct Paths(Kept<Arc<str>, Arc<str>>);

/// Paths that are known at once; more are held anew where they come again.
const MAX_PATHS: usize = 1 << 16;

impl Default for Paths {
    fn default() -> Paths {
        Paths(Kept::new(MAX_PATHS))
    }
}

impl Paths {
    fn get(&mut self, path: &str) -> Arc<str> {
        if let Some(known) = self.0.get(path) {
            return known.clone();
        }
        let path: Arc<str> = path.into();
        self.0.insert(path.clone(), path.clone());
        path
    }
}

fn target_columns(records: &Records) -> Result<TargetColumns> {
    let at = |columns: &[(String, SqlType)], name: &str| {
        columns.iter().position(|(have, _)| have.eq_ignore_ascii_case(name))
    };
    let columns = &records.columns;
    let found = || {
        let path = columns
            .iter()
            .position(|(have, ty)| have.eq_ignore_ascii_case("path") && *ty == SqlType::Varchar)?;
        let (window, fields) = columns.iter().enumerate().find_map(|(index, (have, ty))| match ty {
            SqlType::Struct(inner) if have.eq_ignore_ascii_case("win") => {
                let [row_off, col_off, height, width] = FIELDS.map(|field| at(inner, field));
                Some((index, [row_off?, col_off?, height?, width?]))
            }
            _ => None,
        })?;
        let inside = |column: &str, field: &str| {
            columns.iter().enumerate().find_map(|(index, (have, ty))| match ty {
                SqlType::Struct(inner) if have.eq_ignore_ascii_case(column) => {
                    Some((index, at(inner, field)?))
                }
                _ => None,
            })
        };
        Some(TargetColumns { path, window, fields, steps: [inside("isel", "time"), inside("win", "step")] })
    };
    found().ok_or_else(|| records.bad(NEEDED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::parquet::testing::written;
    use crate::testing::Folder;
    use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray, StructArray};
    use arrow::datatypes::Field;

    /// A column `win`; a row of `None` is NULL, one of a negative height has a NULL there.
    fn windows(rows: &[Option<[i64; 4]>]) -> ArrayRef {
        let side = |i: usize| rows.iter().map(move |row| row.map_or(0, |row| row[i]));
        let heights: Int32Array = side(2).map(|n| (n >= 0).then_some(n as i32)).collect();
        let fields: Vec<(Arc<Field>, ArrayRef)> = [
            ("col_off", Arc::new(Int64Array::from_iter_values(side(1))) as ArrayRef),
            ("HEIGHT", Arc::new(heights)),
            ("width", Arc::new(Int32Array::from_iter_values(side(3).map(|n| n as i32)))),
            ("row_off", Arc::new(Int64Array::from_iter_values(side(0)))),
        ]
        .map(|(name, column)| (Arc::new(Field::new(name, column.data_type().clone(), true)), column))
        .to_vec();
        let (fields, columns): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        let valid = rows.iter().map(Option::is_some).collect::<Vec<bool>>();
        Arc::new(StructArray::new(fields.into(), columns, Some(valid.into())))
    }

    /// A registry in a file, and the folder that goes with it.
    struct TestTable {
        path: String,
        _folder: Folder,
    }

    impl TestTable {
        fn path(&self) -> &str {
            &self.path
        }
    }

    fn table(columns: Vec<(&str, ArrayRef)>) -> TestTable {
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let folder = Folder::new();
        TestTable { path: folder.write("registry.parquet", &written(&batch)), _folder: folder }
    }

    fn registry(table: &TestTable) -> Result<Registry> {
        Registry::of(Records::parquet(table.path())?)
    }

    fn listed(items: &[Value], element: Option<&SqlType>) -> Result<Registry> {
        Registry::of(Records::list(items, element)?)
    }

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn a_row_is_its_target_and_its_other_columns() {
        let count = 5000;
        let paths: Vec<String> = (0..count).map(|i| format!("file_{}.tif", i % 3)).collect();
        let wins: Vec<_> = (0..count).map(|i| Some([i, 2 * i, 8, 9])).collect();
        let weights: ArrayRef = Arc::new(Float64Array::from_iter_values((0..count).map(|i| i as f64 / 2.0)));
        let paths = texts(&paths.iter().map(|path| Some(path.as_str())).collect::<Vec<_>>());
        let table = table(vec![("weight", weights), ("Win", windows(&wins)), ("PATH", paths)]);
        let registry = registry(&table).unwrap();
        assert_eq!(registry.rows, count as u64);
        let names: Vec<&str> = registry.columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["weight", "Win", "PATH"]);
        let rows: Vec<Row<Record>> = registry.read().unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(rows.len(), count as usize);
        for (i, row) in rows.iter().enumerate() {
            let target = row.target.as_ref().unwrap();
            assert_eq!(target.window, Window::new(i as i64, 2 * i as i64, 8, 9).unwrap());
            assert_eq!(*target.path, *format!("file_{}.tif", i % 3));
            // A path is held once for all of its rows.
            assert!(Arc::ptr_eq(&target.path, &rows[i % 3].target.as_ref().unwrap().path));
            assert_eq!(*row.carried.value(0), Value::Double(i as f64 / 2.0));
            let Value::Struct(win) = row.carried.value(1).into_owned() else { panic!("no struct") };
            assert_eq!(win[0], ("col_off".to_string(), Value::Int(2 * i as i64)));
            assert_eq!(*row.carried.value(2), Value::Text(target.path.to_string()));
            assert_eq!(*row.carried.value(3), Value::Null);
        }
    }

    #[test]
    fn a_row_without_a_target_keeps_its_other_columns() {
        let wins = [Some([0, 0, 1, 1]), None, Some([0, 0, -1, 1]), Some([0, 0, 0, 1])];
        let splits = texts(&[Some("a"), Some("b"), None, Some("d")]);
        let paths = texts(&[None, Some("x.tif"), Some("x.tif"), Some("x.tif")]);
        let table = table(vec![("path", paths), ("split", splits), ("win", windows(&wins))]);
        let rows: Vec<Row<Record>> =
            registry(&table).unwrap().read().unwrap().collect::<Result<_>>().unwrap();
        let told: Vec<String> = rows.iter().map(|row| row.target.as_ref().unwrap_err().to_string()).collect();
        for (text, part) in
            told.iter().zip(["without a path", "without a path", "number for height", "1 x 1"])
        {
            assert!(text.contains(part), "{text}");
        }
        let splits: Vec<Value> = rows.iter().map(|row| row.carried.value(1).into_owned()).collect();
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(splits, [text("a"), text("b"), Value::Null, text("d")]);
    }

    #[test]
    fn a_table_without_path_and_win_is_no_registry() {
        let paths = || texts(&[Some("x.tif")]);
        let win = || windows(&[Some([0, 0, 1, 1])]);
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values([1]));
        for columns in [
            vec![("path", paths())],
            vec![("win", win())],
            vec![("path", number.clone()), ("win", win())],
            vec![("path", paths()), ("win", number)],
        ] {
            let table = table(columns);
            let error = registry(&table).unwrap_err();
            assert!(matches!(error, Error::BadRegistry { .. }), "{error}");
        }
    }

    fn item(path: Value, height: Value, extra: Value) -> Value {
        let field = |name: &str, value: Value| (name.to_string(), value);
        let win = [
            ("row_off", Value::Int(1)),
            ("col_off", Value::Int(2)),
            ("height", height),
            ("width", Value::Int(4)),
        ];
        let win = Value::Struct(win.map(|(name, value)| field(name, value)).to_vec());
        Value::Struct(vec![field("path", path), field("win", win), field("extra", extra)])
    }

    #[test]
    fn a_list_of_structs_is_a_registry_too() {
        let path = || Value::Text("x.tif".into());
        let items = [
            item(path(), Value::Int(3), Value::Null),
            item(path(), Value::Null, Value::Date(1)),
            item(Value::Null, Value::Int(3), Value::Date(2)),
        ];
        let registry = listed(&items, None).unwrap();
        assert_eq!(registry.columns[2], ("extra".to_string(), SqlType::Date));
        let rows: Vec<Row<Record>> = registry.read().unwrap().collect::<Result<_>>().unwrap();
        let window = Window::new(1, 2, 3, 4).unwrap();
        assert_eq!(rows[0].target, Ok(Target { path: "x.tif".into(), window, step: None }));
        assert!(rows[1].target.is_err() && rows[2].target.is_err());
        let extras: Vec<Value> = rows.iter().map(|row| row.carried.value(2).into_owned()).collect();
        assert_eq!(extras, [Value::Null, Value::Date(1), Value::Date(2)]);
        let other = [item(path(), Value::Int(3), Value::List(vec![Value::Other("?".into())]))];
        assert!(listed(&other, None).unwrap_err().to_string().contains("column extra"));
        assert!(listed(&[], None).is_err() && listed(&[Value::Int(1)], None).is_err());
    }
}
