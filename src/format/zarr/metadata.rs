//! A Zarr store's documents (`.zarray`, `.zattrs`, `.zgroup`, `.zmetadata`; `zarr.json`) as variables.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::dtype::{Dtype, Nodata};
use crate::error::{Cause, ReasonResult};
use crate::format::array::{Attribute, Variable};

/// Where documents come from: a store.
pub(crate) trait Documents {
    /// A document by its key, or `None` when there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn document(&self, key: &str) -> ReasonResult<Option<Vec<u8>>>;

    /// Names of the folders directly under a group.
    ///
    /// # Errors
    /// They cannot be listed, or there are too many.
    fn folders(&self, group: &str) -> ReasonResult<Vec<String>>;
}

/// Which specification a store follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Zarr 2.
    V2,
    /// Zarr 3.
    V3,
}

/// How the values of one array lie in its decoded chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// A number that lies bare.
    Number(Dtype),
    /// IEEE half precision, read as float32.
    Half,
    /// Google's brain float, read as float32.
    Bfloat,
}

impl Element {
    /// The type of its numbers.
    pub(crate) fn dtype(self) -> Dtype {
        match self {
            Element::Number(dtype) => dtype,
            Element::Half | Element::Bfloat => Dtype::Float32,
        }
    }

    /// Bytes of one stored value.
    pub(crate) fn size(self) -> usize {
        match self {
            Element::Number(dtype) => dtype.size(),
            Element::Half | Element::Bfloat => 2,
        }
    }
}

/// One array of a store.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its path in the store, without a slash at either end.
    pub path: String,
    /// The specification.
    pub version: Version,
    /// The array's own document.
    pub metadata: Value,
    /// What one value is, where we read it.
    pub element: Option<Element>,
    /// Sizes of the chunks that its keys count: shards, where it has them.
    pub outer_chunk: Vec<u64>,
    /// Codecs of the chunks inside a shard, where shards hold nothing but those.
    pub inner_codecs: Option<Value>,
    /// The variable of the array.
    pub variable: Variable,
}

/// What a store holds.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Those of the group.
    pub attributes: Vec<(String, Attribute)>,
    /// By path.
    pub nodes: Vec<Node>,
}

/// Groups within groups, and arrays, that one store may hold: a bound on what damaged documents can ask for.
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;
const MAX_DIMS: usize = 32;

/// Reads every document that describes the store; `name` is that of an array that is a store by itself.
///
/// # Errors
/// A document is missing, damaged, or describes no array.
pub(crate) fn read_tree(store: &dyn Documents, name: &str) -> ReasonResult<Tree> {
    let mut tree = match (json(store, "zarr.json")?, json(store, ".zmetadata")?) {
        (Some(root), _) => version_3(store, root, name)?,
        (None, Some(consolidated)) => consolidated_2(&consolidated, name)?,
        (None, None) => version_2(store, name)?,
    };
    tree.nodes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(tree)
}

fn json(store: &dyn Documents, key: &str) -> ReasonResult<Option<Value>> {
    let Some(bytes) = store.document(key)? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{key} is not UTF-8"))?;
    serde_json::from_str(&quote_numbers(text))
        .map(Some)
        .map_err(|e| Cause::of(e).within(format!("{key} is not JSON")))
}

/// Python writes NaN and Infinity bare, which JSON does not know: puts them in quotes, as Zarr does.
fn quote_numbers(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut rest, mut quoted) = (text, false);
    while let Some(letter) = rest.chars().next() {
        let bare =
            ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| !quoted && rest.starts_with(word));
        let length = match (bare, letter) {
            (Some(word), _) => {
                out.push('"');
                out.push_str(word);
                out.push('"');
                rest = rest.get(word.len()..).unwrap_or_default();
                continue;
            }
            (None, '\\') => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            (None, letter) => {
                quoted ^= letter == '"';
                letter.len_utf8()
            }
        };
        out.push_str(rest.get(..length).unwrap_or(rest));
        rest = rest.get(length..).unwrap_or_default();
    }
    out.into()
}

fn join(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_string() } else { format!("{group}/{name}") }
}

/// A path in a store has plain names alone: nothing leads out of the store.
fn is_plain(path: &str) -> bool {
    path.split('/').all(|name| !name.is_empty() && name != "." && name != ".." && !name.contains('\0'))
}

fn add(tree: &mut Tree, node: Node) -> ReasonResult<()> {
    if tree.nodes.len() >= MAX_NODES {
        return Err(format!("it holds more than {MAX_NODES} arrays").into());
    }
    tree.nodes.push(node);
    Ok(())
}

// ---------------------------------------------------------------------------------------------------
// Version 2

fn consolidated_2(document: &Value, name: &str) -> ReasonResult<Tree> {
    let Some(documents) = document.get("metadata").and_then(Value::as_object) else {
        return Err(".zmetadata has no \"metadata\"".into());
    };
    let mut tree = Tree::default();
    for (key, array) in documents {
        let path = match key.strip_suffix(".zarray") {
            Some("") => "",
            Some(path) => {
                path.strip_suffix('/').filter(|path| is_plain(path)).ok_or_else(|| bad_path(key))?
            }
            None => continue,
        };
        let attributes = documents.get(&join(path, ".zattrs"));
        add(&mut tree, node_2(path, name, array.clone(), attributes)?)?;
    }
    tree.attributes = attributes(documents.get(".zattrs"));
    Ok(tree)
}

fn bad_path(path: &str) -> String {
    format!("\"{path}\" is not a path within a store")
}

fn version_2(store: &dyn Documents, name: &str) -> ReasonResult<Tree> {
    let mut tree = Tree::default();
    if let Some(array) = json(store, ".zarray")? {
        let attributes = json(store, ".zattrs")?;
        add(&mut tree, node_2("", name, array, attributes.as_ref())?)?;
        return Ok(tree);
    }
    if json(store, ".zgroup")?.is_none() {
        return Err("it has none of zarr.json, .zmetadata, .zgroup and .zarray".into());
    }
    tree.attributes = attributes(json(store, ".zattrs")?.as_ref());
    let mut groups = vec![String::new()];
    while let Some(group) = groups.pop() {
        for folder in store.folders(&group)? {
            let path = join(&group, &folder);
            if let Some(array) = json(store, &join(&path, ".zarray"))? {
                let attributes = json(store, &join(&path, ".zattrs"))?;
                add(&mut tree, node_2(&path, name, array, attributes.as_ref())?)?;
            } else if json(store, &join(&path, ".zgroup"))?.is_some() {
                deeper(&mut groups, path)?;
            }
        }
    }
    Ok(tree)
}

fn deeper(groups: &mut Vec<String>, path: String) -> ReasonResult<()> {
    if path.split('/').count() >= MAX_DEPTH || groups.len() >= MAX_NODES {
        return Err(format!("its groups lie deeper than {MAX_DEPTH} levels, at \"{path}\"").into());
    }
    groups.push(path);
    Ok(())
}

fn node_2(path: &str, name: &str, mut metadata: Value, attributes: Option<&Value>) -> ReasonResult<Node> {
    let blame = |what: Cause| what.within(join(path, ".zarray"));
    if metadata.get("zarr_format").and_then(Value::as_u64) != Some(2) {
        return Err(blame("\"zarr_format\" is not 2".into()));
    }
    let shape = numbers(&metadata, "shape").map_err(&blame)?;
    let chunk = numbers(&metadata, "chunks").map_err(&blame)?;
    let (dtype_name, element) = match metadata.get("dtype") {
        Some(Value::String(text)) => with_sign(dtype_2(text), attributes),
        Some(Value::Array(_)) => ("structured".into(), None),
        _ => return Err(blame("it has no \"dtype\"".into())),
    };
    let fill = metadata.get("fill_value").filter(|fill| !fill.is_null()).cloned();
    if is_temporal(&dtype_name) {
        as_integers(&mut metadata);
    }
    let dims =
        attributes.and_then(|a| a.get("_ARRAY_DIMENSIONS")).or_else(|| of_netcdf(&metadata, attributes));
    let dims = dims.cloned();
    quiet_filters(&mut metadata, "filters");
    let stored = Stored { path, name, shape, chunk: chunk.clone(), dtype_name, element, dims, fill };
    let variable = stored.variable(attributes).map_err(&blame)?;
    let (path, outer_chunk) = (path.to_string(), chunk);
    Ok(Node { path, version: Version::V2, metadata, element, outer_chunk, inner_codecs: None, variable })
}

/// The dimensions as netCDF-C writes them, into the array's document and later beside its attributes.
fn of_netcdf<'a>(metadata: &'a Value, attributes: Option<&'a Value>) -> Option<&'a Value> {
    let documents = [Some(metadata), attributes].into_iter().flatten();
    let names = ["_NCZARR_ARRAY", "_nczarr_array"];
    let found = documents.flat_map(|document| names.iter().filter_map(|name| document.get(*name))).next()?;
    found.get("dimrefs").or_else(|| found.get("dimension_references"))
}

/// Takes away the filters that do something when values are written alone: what they stored are values of the array's
/// own type, fewer digits of them.
fn quiet_filters(metadata: &mut Value, key: &str) {
    let Some(filters) = metadata.get_mut(key).and_then(Value::as_array_mut) else { return };
    filters.retain(|filter| {
        let id = filter.get("id").or_else(|| filter.get("name")).and_then(Value::as_str).unwrap_or_default();
        let setting = filter.get("configuration").unwrap_or(filter);
        let as_it_is = setting.get("astype").is_none_or(|stored| Some(stored) == setting.get("dtype"));
        !(matches!(id.strip_prefix("numcodecs.").unwrap_or(id), "bitround" | "quantize") && as_it_is)
    });
    // Those of the chunks inside shards.
    filters
        .iter_mut()
        .filter_map(|filter| filter.get_mut("configuration"))
        .for_each(|f| quiet_filters(f, "codecs"));
}

/// NumPy's name and how values lie, of a type such as `<f4`, `|b1`, `>M8[ns]`.
fn dtype_2(text: &str) -> (String, Option<Element>) {
    let plain = text.trim_start_matches(['<', '>', '|', '=']);
    let number = |dtype: Dtype| (dtype.to_string(), Some(Element::Number(dtype)));
    match plain {
        "i1" => number(Dtype::Int8),
        "u1" => number(Dtype::UInt8),
        "i2" => number(Dtype::Int16),
        "u2" => number(Dtype::UInt16),
        "i4" => number(Dtype::Int32),
        "u4" => number(Dtype::UInt32),
        "i8" => number(Dtype::Int64),
        "u8" => number(Dtype::UInt64),
        "f4" => number(Dtype::Float32),
        "f8" => number(Dtype::Float64),
        "f2" => ("float16".into(), Some(Element::Half)),
        "b1" => ("bool".into(), Some(Element::Number(Dtype::UInt8))),
        "c8" => ("complex64".into(), None),
        "c16" => ("complex128".into(), None),
        other => match (other.get(..2), other.chars().next()) {
            (Some("M8"), _) => temporal("datetime64", other.get(2..).unwrap_or_default()),
            (Some("m8"), _) => temporal("timedelta64", other.get(2..).unwrap_or_default()),
            (_, Some('O' | 'U')) => ("str".into(), None),
            (_, Some('S' | 'V')) => ("bytes".into(), None),
            _ => (text.to_string(), None),
        },
    }
}

fn is_temporal(dtype_name: &str) -> bool {
    dtype_name.starts_with("datetime64") || dtype_name.starts_with("timedelta64")
}

/// NumPy's times are 64-bit integers, which is how zarrs reads them.
fn as_integers(metadata: &mut Value) {
    let order = match metadata.get("dtype").and_then(Value::as_str) {
        Some(text) if text.starts_with('>') => '>',
        _ => '<',
    };
    if let Some(fields) = metadata.as_object_mut() {
        fields.insert("dtype".into(), format!("{order}i8").into());
        if fields.get("fill_value").is_some_and(Value::is_string) {
            fields.insert("fill_value".into(), i64::MIN.into());
        }
    }
}

/// What NetCDF-3 could not say of an integer's sign, an attribute does, and xarray keeps it so.
fn with_sign(
    (name, element): (String, Option<Element>),
    attributes: Option<&Value>,
) -> (String, Option<Element>) {
    let says = attributes.and_then(|a| a.get("_Unsigned")).and_then(Value::as_str);
    let says = says.map(|says| says.trim().to_ascii_lowercase());
    match (element, says.as_deref()) {
        (Some(Element::Number(stored)), Some(says @ ("true" | "false")))
            if name != "bool" && !is_temporal(&name) =>
        {
            let dtype = stored.with_sign(says == "false");
            (dtype.to_string(), Some(Element::Number(dtype)))
        }
        _ => (name, element),
    }
}

fn temporal(kind: &str, unit: &str) -> (String, Option<Element>) {
    (format!("{kind}{unit}"), Some(Element::Number(Dtype::Int64)))
}

// ---------------------------------------------------------------------------------------------------
// Version 3

fn version_3(store: &dyn Documents, root: Value, name: &str) -> ReasonResult<Tree> {
    let mut tree = Tree::default();
    if node_type(&root, "zarr.json")? == NodeType::Array {
        add(&mut tree, node_3("", name, root)?)?;
        return Ok(tree);
    }
    tree.attributes = attributes(root.get("attributes"));
    let consolidated = root.get("consolidated_metadata").and_then(|c| c.get("metadata"));
    if let Some(documents) = consolidated.and_then(Value::as_object) {
        for (path, document) in documents {
            if !is_plain(path) {
                return Err(bad_path(path).into());
            }
            if node_type(document, path)? == NodeType::Array {
                add(&mut tree, node_3(path, name, document.clone())?)?;
            }
        }
        return Ok(tree);
    }
    let mut groups = vec![String::new()];
    while let Some(group) = groups.pop() {
        for folder in store.folders(&group)? {
            let path = join(&group, &folder);
            let key = join(&path, "zarr.json");
            let Some(document) = json(store, &key)? else { continue };
            match node_type(&document, &key)? {
                NodeType::Array => add(&mut tree, node_3(&path, name, document)?)?,
                NodeType::Group => deeper(&mut groups, path)?,
            }
        }
    }
    Ok(tree)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NodeType {
    Array,
    Group,
}

fn node_type(document: &Value, key: &str) -> ReasonResult<NodeType> {
    match document.get("node_type").and_then(Value::as_str) {
        Some("array") => Ok(NodeType::Array),
        Some("group") => Ok(NodeType::Group),
        _ => Err(format!("{key}: \"node_type\" is neither \"array\" nor \"group\"").into()),
    }
}

fn node_3(path: &str, name: &str, mut metadata: Value) -> ReasonResult<Node> {
    let blame = |what: Cause| what.within(join(path, "zarr.json"));
    if metadata.get("zarr_format").and_then(Value::as_u64) != Some(3) {
        return Err(blame("\"zarr_format\" is not 3".into()));
    }
    let shape = numbers(&metadata, "shape").map_err(&blame)?;
    quiet_filters(&mut metadata, "codecs");
    let grid = metadata.get("chunk_grid").ok_or_else(|| blame("it has no \"chunk_grid\"".into()))?;
    let grid_name = named(grid).unwrap_or_default();
    if grid_name != "regular" {
        return Err(blame(format!("its chunk grid \"{grid_name}\" is not \"regular\"").into()));
    }
    let configuration = grid.get("configuration").unwrap_or(&Value::Null);
    let outer_chunk = numbers(configuration, "chunk_shape").map_err(&blame)?;
    let (chunk, inner_codecs) = match shard(&metadata) {
        Some(shard) => {
            let inner = numbers(shard, "chunk_shape").map_err(&blame)?;
            let count = outer_chunk.iter().zip(&inner).try_fold(1u64, |count, (outer, inner)| {
                count.checked_mul(outer.checked_div(*inner).filter(|_| outer % inner == 0)?)
            });
            if inner.len() != outer_chunk.len() || count.is_none_or(|count| count > MAX_INNER_CHUNKS) {
                return Err(blame(
                    format!("shards of {outer_chunk:?} hold no whole chunks of {inner:?}").into(),
                ));
            }
            (inner, shard.get("codecs").cloned())
        }
        None => (outer_chunk.clone(), None),
    };
    let data_type = metadata.get("data_type").ok_or_else(|| blame("it has no \"data_type\"".into()))?;
    let (dtype_name, element) = with_sign(dtype_3(data_type), metadata.get("attributes"));
    let fill = metadata.get("fill_value").filter(|fill| is_nan(fill, element)).cloned();
    let dims = metadata.get("dimension_names").filter(|names| names.is_array());
    let dims = dims.or_else(|| of_netcdf(&metadata, metadata.get("attributes"))).cloned();
    let own = metadata.get("attributes").cloned();

    let stored = Stored { path, name, shape, chunk, dtype_name, element, dims, fill };
    let variable = stored.variable(own.as_ref()).map_err(&blame)?;
    Ok(Node {
        path: path.into(),
        version: Version::V3,
        metadata,
        element,
        outer_chunk,
        inner_codecs,
        variable,
    })
}

/// A shard's index takes 16 bytes for each of its chunks.
const MAX_INNER_CHUNKS: u64 = 1 << 22;

/// A codec, grid or type is a name, or an object with one.
fn named(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("name").and_then(Value::as_str))
}

/// The configuration of an array's only codec, where that is `sharding_indexed`.
fn shard(metadata: &Value) -> Option<&Value> {
    match metadata.get("codecs").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) if named(one) == Some("sharding_indexed") => one.get("configuration"),
        _ => None,
    }
}

fn dtype_3(data_type: &Value) -> (String, Option<Element>) {
    let name = named(data_type).unwrap_or("unknown");
    if let Some((_, dtype)) = crate::dtype::DTYPES.iter().find(|(known, _)| *known == name) {
        return (name.into(), Some(Element::Number(*dtype)));
    }
    let unit = || {
        let configuration = data_type.get("configuration")?;
        let unit = configuration.get("unit")?.as_str()?;
        Some(match configuration.get("scale_factor").and_then(Value::as_u64).unwrap_or(1) {
            1 => format!("[{unit}]"),
            factor => format!("[{factor}{unit}]"),
        })
    };
    match name {
        "bool" => ("bool".into(), Some(Element::Number(Dtype::UInt8))),
        "float16" => ("float16".into(), Some(Element::Half)),
        "bfloat16" => ("bfloat16".into(), Some(Element::Bfloat)),
        "numpy.datetime64" => temporal("datetime64", &unit().unwrap_or_default()),
        "numpy.timedelta64" => temporal("timedelta64", &unit().unwrap_or_default()),
        "string" | "fixed_length_utf32" => ("str".into(), None),
        other => (other.into(), None),
    }
}

// ---------------------------------------------------------------------------------------------------
// Variables

/// What both versions say of an array.
struct Stored<'a> {
    path: &'a str,
    name: &'a str,
    shape: Vec<u64>,
    chunk: Vec<u64>,
    dtype_name: String,
    element: Option<Element>,
    dims: Option<Value>,
    /// The store's own fill value, where it stands for no value: in version 2, as xarray has it; in version 3,
    /// where every array has one, only NaN.
    fill: Option<Value>,
}

impl Stored<'_> {
    fn variable(self, own: Option<&Value>) -> ReasonResult<Variable> {
        let rank = self.shape.len();
        if self.chunk.len() != rank || rank > MAX_DIMS {
            let chunk = self.chunk.len();
            return Err(
                format!("a shape of {rank} dimensions (at most {MAX_DIMS}) with chunks of {chunk}").into()
            );
        }
        if self.chunk.contains(&0) {
            return Err(format!("its chunks of {:?} are empty", self.chunk).into());
        }
        // An index along an axis, and a chunk's number, must be numbers that DuckDB holds.
        if self.shape.iter().any(|&size| size >= 1 << 53) {
            return Err(format!("its shape {:?} is beyond any array", self.shape).into());
        }
        let mut attributes = attributes(own);
        attributes.retain(|(name, _)| name != "_ARRAY_DIMENSIONS");
        if let Some(since) = since(&self.dtype_name)
            && !attributes.iter().any(|(name, _)| name == "units")
        {
            attributes.push(("units".into(), Attribute::Text(since)));
        }
        let unit = attributes.iter().find(|(name, _)| name == "units");
        let unit = unit.and_then(|(_, unit)| unit.text()).map(str::to_string);
        let find = |name: &str| own.and_then(|a| a.get(name));
        let dtype = self.element.map(Element::dtype);
        let exact = |fill: &Value| nodata(fill, dtype?);
        let mut own_fill = ["_FillValue", "missing_value"].into_iter().find_map(&find).and_then(exact);
        if is_temporal(&self.dtype_name) {
            // NumPy's NaT.
            own_fill = Some(Nodata::Integer(i64::MIN.into()));
        }
        let of_store = self.fill.as_ref().and_then(exact);
        let (dims, unnamed) = dims(self.dims.as_ref(), rank);
        let variable = Variable {
            name: if self.path.is_empty() { self.name.to_string() } else { self.path.to_string() },
            dims,
            unnamed,
            shape: self.shape,
            dtype_name: self.dtype_name,
            dtype,
            chunk: Some(self.chunk),
            nodata: None,
            scale: None,
            offset: None,
            unit,
            attributes,
        };
        let mut variable = variable.packed(own_fill, of_store);
        if let (Some(value), Some((_, attribute))) =
            (variable.nodata, variable.attributes.iter_mut().find(|(name, _)| name == "_FillValue"))
            && matches!(attribute, Attribute::Text(_))
        {
            // xarray writes a float's as base64.
            *attribute = Attribute::Numbers(vec![value.f64()]);
        }
        Ok(variable)
    }
}

/// CF's words for what NumPy's type says.
fn since(dtype_name: &str) -> Option<String> {
    let unit = dtype_name.strip_prefix("datetime64[")?.strip_suffix(']')?;
    let unit = match unit {
        "ns" => "nanoseconds",
        "us" => "microseconds",
        "ms" => "milliseconds",
        "s" => "seconds",
        "m" => "minutes",
        "h" => "hours",
        "D" => "days",
        _ => return None,
    };
    Some(format!("{unit} since 1970-01-01"))
}

/// The names of the dimensions, and the indices of those that have none: netCDF-C writes paths of groups.
fn dims(names: Option<&Value>, rank: usize) -> (Vec<String>, Vec<usize>) {
    let names = names.and_then(Value::as_array).filter(|names| names.len() == rank);
    let name = |axis: usize| names.and_then(|names| names.get(axis)).and_then(Value::as_str);
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_string();
    let named = |axis: usize| name(axis).filter(|name| !name.is_empty()).map(short);
    let shown = (0..rank).map(|axis| named(axis).unwrap_or_else(|| format!("dim_{axis}"))).collect();
    (shown, (0..rank).filter(|axis| named(*axis).is_none()).collect())
}

fn numbers(document: &Value, key: &str) -> ReasonResult<Vec<u64>> {
    let list = document.get(key).and_then(Value::as_array);
    let numbers: Option<Vec<u64>> = list.and_then(|list| list.iter().map(Value::as_u64).collect());
    numbers.ok_or_else(|| format!("\"{key}\" is not a list of whole numbers").into())
}

fn attributes(object: Option<&Value>) -> Vec<(String, Attribute)> {
    let empty = Map::new();
    let object = object.and_then(Value::as_object).unwrap_or(&empty);
    object.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &Value) -> Attribute {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let all = |is: fn(&Value) -> bool| !list.is_empty() && list.iter().all(is);
    match value {
        Value::String(text) => Attribute::Text(text.clone()),
        _ if all(Value::is_string) => {
            Attribute::Texts(list.iter().filter_map(Value::as_str).map(str::to_string).collect())
        }
        _ if all(Value::is_i64) => Attribute::Integers(list.iter().filter_map(Value::as_i64).collect()),
        _ if all(Value::is_number) => Attribute::Numbers(list.iter().filter_map(Value::as_f64).collect()),
        _ if all(Value::is_boolean) => {
            Attribute::Integers(list.iter().filter_map(Value::as_bool).map(i64::from).collect())
        }
        other => Attribute::Text(other.to_string()),
    }
}

fn is_nan(fill: &Value, element: Option<Element>) -> bool {
    let Some(dtype) = element.map(Element::dtype) else { return false };
    nodata(fill, dtype).is_some_and(|value| value.f64().is_nan())
}

/// A fill value as Zarr writes it: a number, `"NaN"`, the hexadecimal bytes of a float (`"0x7fc00000"`), or the
/// base64 text that xarray gives to a float's `_FillValue`.
fn nodata(fill: &Value, dtype: Dtype) -> Option<Nodata> {
    let float = matches!(dtype, Dtype::Float32 | Dtype::Float64);
    match fill {
        Value::Number(number) if !float => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Some(Nodata::Integer(value.into())),
            (_, Some(value)) => Some(Nodata::Integer(value.into())),
            _ => number.as_f64().map(Nodata::Float),
        },
        Value::Number(number) => number.as_f64().map(Nodata::Float),
        Value::Bool(value) => Some(Nodata::Integer(i128::from(*value))),
        Value::Array(one) => one.first().filter(|_| one.len() == 1).and_then(|value| nodata(value, dtype)),
        Value::String(text) if float => text_number(text, dtype).map(Nodata::Float),
        _ => None,
    }
}

fn text_number(text: &str, dtype: Dtype) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        let bits = u64::from_str_radix(digits, 16).ok()?;
        return match (digits.len(), dtype) {
            (16, Dtype::Float64) => Some(f64::from_bits(bits)),
            (8, Dtype::Float32) => u32::try_from(bits).ok().map(|bits| f64::from(f32::from_bits(bits))),
            (4, Dtype::Float32) => u16::try_from(bits).ok().map(|bits| half::f16::from_bits(bits).to_f64()),
            _ => None,
        };
    }
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    <[u8; 8]>::try_from(bytes).ok().map(f64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::damaged;

    #[test]
    fn bare_nan_is_read_and_text_is_left_alone() {
        let text = r#"{"a": NaN, "b": [-Infinity, Infinity], "c": "say \"NaN\" NaN", "d": "\\"}"#;
        let value: Value = serde_json::from_str(&quote_numbers(text)).unwrap();
        assert_eq!(value["a"], "NaN");
        assert_eq!(value["b"], serde_json::json!(["-Infinity", "Infinity"]));
        assert_eq!(value["c"], "say \"NaN\" NaN");
    }

    #[test]
    fn fill_values_are_read_as_each_version_writes_them() {
        let read = |json: &str, dtype| nodata(&serde_json::from_str(json).unwrap(), dtype);
        assert_eq!(read("-32768", Dtype::Int16), Some(Nodata::Integer(-32768)));
        assert_eq!(read("18446744073709551615", Dtype::UInt64), Some(Nodata::Integer(u64::MAX.into())));
        assert_eq!(read("9.969209968386869e36", Dtype::Float32), Some(Nodata::Float(9.969209968386869e36)));
        assert!(read("\"NaN\"", Dtype::Float32).unwrap().f64().is_nan());
        assert!(read("\"0x7fc00000\"", Dtype::Float32).unwrap().f64().is_nan());
        assert!(read("\"AAAAAAAA+H8=\"", Dtype::Float64).unwrap().f64().is_nan());
        assert_eq!(read("\"AAAAAAAA8D8=\"", Dtype::Float32), Some(Nodata::Float(1.0)));
        assert_eq!(read("\"?\"", Dtype::Float32), None);
        assert_eq!(read("null", Dtype::Int16), None);
    }

    #[test]
    fn paths_do_not_lead_out_of_the_store() {
        assert!(is_plain("a/b.c") && is_plain("température"));
        for path in ["", "/a", "a/", "a//b", "../a", "a/../b", "."] {
            assert!(!is_plain(path), "{path}");
        }
    }

    /// A store's documents by key.
    struct Store(std::collections::BTreeMap<String, Vec<u8>>);

    impl Store {
        fn new(documents: &[(&str, &[u8])]) -> Store {
            Store(documents.iter().map(|(key, text)| ((*key).to_string(), text.to_vec())).collect())
        }
    }

    impl Documents for Store {
        fn document(&self, key: &str) -> ReasonResult<Option<Vec<u8>>> {
            Ok(self.0.get(key).cloned())
        }

        fn folders(&self, group: &str) -> ReasonResult<Vec<String>> {
            let prefix = if group.is_empty() { String::new() } else { format!("{group}/") };
            let mut names: Vec<String> = self
                .0
                .keys()
                .filter_map(|key| {
                    key.strip_prefix(&prefix)?.split_once('/').map(|(name, _)| name.to_string())
                })
                .collect();
            names.dedup();
            Ok(names)
        }
    }

    const ARRAY_2: &str = r#"{"zarr_format": 2, "shape": [6, 4], "chunks": [2, 4], "dtype": "<i2", "compressor": {"id": "zlib", "level": 1}, "fill_value": -1, "order": "C", "filters": null}"#;
    const ATTRIBUTES_2: &str = r#"{"_ARRAY_DIMENSIONS": ["y", "x"], "units": "K", "scale_factor": 0.5}"#;
    const ARRAY_3: &str = r#"{"zarr_format": 3, "node_type": "array", "shape": [6, 4], "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 4]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "fill_value": -1,
        "dimension_names": ["y", "x"], "attributes": {"units": "K", "scale_factor": 0.5}}"#;

    #[test]
    fn an_array_is_the_same_variable_in_both_versions_alone_in_a_group_and_consolidated() {
        let group_2 = r#"{"zarr_format": 2}"#;
        let consolidated_2 = format!(
            r#"{{"zarr_consolidated_format": 1, "metadata": {{".zgroup": {group_2}, "t/.zarray": {ARRAY_2}, "t/.zattrs": {ATTRIBUTES_2}}}}}"#
        );
        let group_3 = r#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#;
        let consolidated_3 = format!(
            r#"{{"zarr_format": 3, "node_type": "group", "consolidated_metadata": {{"kind": "inline", "must_understand": false, "metadata": {{"t": {ARRAY_3}}}}}}}"#
        );
        let stores = [
            Store::new(&[(".zarray", ARRAY_2.as_bytes()), (".zattrs", ATTRIBUTES_2.as_bytes())]),
            Store::new(&[
                (".zgroup", group_2.as_bytes()),
                ("t/.zarray", ARRAY_2.as_bytes()),
                ("t/.zattrs", ATTRIBUTES_2.as_bytes()),
            ]),
            Store::new(&[(".zmetadata", consolidated_2.as_bytes())]),
            Store::new(&[("zarr.json", ARRAY_3.as_bytes())]),
            Store::new(&[("zarr.json", group_3.as_bytes()), ("t/zarr.json", ARRAY_3.as_bytes())]),
            Store::new(&[("zarr.json", consolidated_3.as_bytes())]),
        ];
        for (i, store) in stores.iter().enumerate() {
            let tree = read_tree(store, "t").unwrap();
            let [node] = tree.nodes.as_slice() else { panic!("store {i} has {} arrays", tree.nodes.len()) };
            let variable = &node.variable;
            assert_eq!(
                (variable.name.as_str(), variable.dims.as_slice()),
                ("t", ["y", "x"].map(String::from).as_slice())
            );
            assert_eq!(
                (variable.shape.as_slice(), variable.chunk.as_deref()),
                ([6, 4].as_slice(), Some([2, 4].as_slice()))
            );
            assert_eq!((variable.dtype, variable.scale), (Some(Dtype::Int16), Some(0.5)), "store {i}");
            assert_eq!(variable.unit.as_deref(), Some("K"));
        }
    }

    #[test]
    fn damaged_documents_are_errors_or_other_arrays() {
        let whole = |key: &'static str, text: &str| {
            let most = 1 << 20;
            damaged(text.as_bytes(), 3000, most, |bytes| read_tree(&Store::new(&[(key, bytes)]), "t").is_ok())
        };
        for accepted in [whole(".zarray", ARRAY_2), whole("zarr.json", ARRAY_3)] {
            assert!((1..3000).contains(&accepted), "{accepted}");
        }
    }
}
