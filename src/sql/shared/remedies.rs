//! What would have worked, in SQL's words: the second line of an error that has one.
//!
//! The engine says what is wrong in words of any language. Here is the one table of what a query does about it.

use crate::error::{Bounds, Error, Lack, Load, NameFault, Other, mib};

/// An error as the user of SQL reads it.
pub fn told(error: &Error) -> String {
    match remedy(error) {
        Some(Remedy::Line(line)) => format!("{error}\n{line}"),
        Some(Remedy::End(end)) => format!("{error}{end}"),
        None => error.to_string(),
    }
}

/// What is added to an error's text.
#[derive(Debug, PartialEq)]
enum Remedy {
    /// A second line.
    Line(String),
    /// The end of the second line that there is.
    End(String),
}

fn remedy(error: &Error) -> Option<Remedy> {
    let line = match error.bare() {
        Error::Unsuited { path, lack: Lack::Bands(names) } => return of_subdatasets(path, names),
        Error::Unsuited { path, lack } => of_lack(path, lack)?,
        Error::OutOfRange { bounds, .. } => of_bounds(bounds)?.to_string(),
        Error::TooLarge { load, needed, .. } => of_load(load, mib(*needed)),
        Error::NoRoom { .. } => {
            "Read smaller windows or fewer rows at once, or give more memory: SET memory_limit, ulimit -v".into()
        }
        Error::NoAxis { dims, .. } => of_no_axis(dims),
        Error::RemoteGlob { pattern } => format!(
            "List the files first: SET VARIABLE files = (SELECT list(file) FROM glob('{pattern}')), and give getvariable('files')"
        ),
        Error::Misnamed { fault: NameFault::NoGroup, .. } => {
            r"Name what is to be found: '(?P<date>\d{8})' is the time, and '(?P<tile>T\w{5})' becomes attributes['tile']".into()
        }
        _ => return None,
    };
    Some(Remedy::Line(line))
}

fn of_subdatasets(path: &str, names: &[String]) -> Option<Remedy> {
    let first = names.first()?;
    let is_array = first.starts_with("NETCDF:") || first.starts_with("HDF5:");
    is_array.then(|| {
        Remedy::End(format!(
            ", or lay a variable onto a grid with read_array('{path}', variable, {{slice: ...}})"
        ))
    })
}

fn of_lack(path: &str, lack: &Lack) -> Option<String> {
    Some(match lack {
        Lack::Kind(Other::Table) => format!(
            "Its geometries are drawn by SELECT geo_rasterize(list(geometry), slice) FROM '{path}', and a catalog is any \
             query with columns path, geometry, bbox (geo_bbox(geometry)), t_min and t_max"
        ),
        Lack::Kind(Other::Array) => format!("Read it with read_array('{path}', variable)"),
        Lack::Kind(Other::Vector) => format!("Draw it on a grid with geo_rasterize('{path}', slice)"),
        Lack::Kind(Other::Raster) => format!(
            "Read it with read_patch('{path}', win) or read_slice('{path}', slice); geo_polygonize makes shapes of pixels"
        ),
        Lack::Kind(Other::Both) => "Say which to take: kind := 'raster' or kind := 'vector'".into(),
        Lack::PixelType { .. } => "Give dtype := 'float32' or 'float64'".into(),
        Lack::BandCount { .. } => "Name the bands that all have: {bands: [1]}".into(),
        Lack::BeyondFloat { .. } | Lack::AboveFloat { .. } => {
            "FROM read_patch(...) gives pixels in the file's own type".into()
        }
        Lack::Times { .. } => {
            "Tell the time by filename_regex or time_tag, or name another variable with time_var".into()
        }
        _ => return None,
    })
}

fn of_bounds(bounds: &Bounds) -> Option<&'static str> {
    Some(match bounds {
        Bounds::Raster { .. } => "Ask for {boundless: true} to get NULL pixels instead",
        Bounds::Files { .. } => {
            "Ask for {boundless: true} to get NULL pixels instead, or check the CRS and the box"
        }
        Bounds::Pixels(_) => "Use edge := 'overflow' for one partial window, or a smaller size",
        Bounds::Unit { geographic: false, .. } => {
            "Give the box in the CRS's own unit, or name the box's own CRS: {shape_crs: 'OGC:CRS84'}"
        }
        Bounds::Unit { .. } | Bounds::Axis { .. } | Bounds::Mask { .. } => return None,
    })
}

fn of_load(load: &Load, needed_mb: u64) -> String {
    let raise = format!("SET geoquilt_max_chunk_mb = {needed_mb}");
    match load {
        Load::Values { .. } => {
            format!("Select less of it, stream it with FROM read_array(...), or {raise}")
        }
        Load::Chunk => format!("Stream instead: FROM read_patch('registry.parquet'), or {raise}"),
        Load::Slices(_) => format!("Cut it into smaller slices, or {raise}"),
        Load::Rows { streams, .. } => format!(
            "Stream instead: FROM {streams}('jobs.parquet', ...), a row of paths and a slice each, or {raise}"
        ),
        Load::Labels => format!("Ask for smaller slices or for fewer rows at once, or {raise}"),
        Load::Window { .. } => format!("Cut it into smaller windows, or {raise}"),
        Load::Zone => {
            "Leave out median, majority, minority and variety, for example {stats: ['count', 'mean']}, \
                       or raise the setting"
                .into()
        }
        Load::Steps { .. } => "Take longer steps, or SET geoquilt_max_chunk_mb higher".into(),
        Load::Median { .. } => "Take shorter steps, smaller slices, or a mean".into(),
        Load::Groups => "Make fewer groups at a time, or SET geoquilt_aggregate_mb higher".into(),
        Load::Field { .. } => format!(
            "Stream it into a file, COPY (SELECT data, win FROM ... ORDER BY win.row_off) TO 'field.tif' (CANVAS [rows, cols], STITCH overlap_add), or SET geoquilt_aggregate_mb = {needed_mb}"
        ),
        Load::Band { .. } => {
            format!(
                "ORDER BY win.row_off, so that rows above are done, or SET geoquilt_aggregate_mb = {needed_mb}"
            )
        }
    }
}

fn of_no_axis(dims: &[String]) -> String {
    let on = match dims {
        [dim] => format!("{dim}: 0"),
        dims => dims.iter().map(|dim| format!("{dim}: ...")).collect::<Vec<_>>().join(", "),
    };
    format!("Select by index: {{isel: {{{on}}}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Dtype;

    #[test]
    fn each_kind_with_a_remedy_has_it() {
        let path = "a.tif";
        let kind = |other| Error::unsuited(path, Lack::Kind(other));
        let large = |load| Error::TooLarge { load, needed: 8 << 20, limit: 4 << 20 };
        let table = [
            (kind(Other::Table), "SELECT geo_rasterize(list(geometry), slice) FROM 'a.tif'"),
            (kind(Other::Array), "read_array('a.tif', variable)"),
            (kind(Other::Vector), "geo_rasterize('a.tif', slice)"),
            (kind(Other::Raster), "read_patch('a.tif', win)"),
            (kind(Other::Both), "kind := 'raster' or kind := 'vector'"),
            (Error::unsuited(path, Lack::BandCount { own: 1, first: 2 }), "{bands: [1]}"),
            (
                Error::unsuited(path, Lack::PixelType { own: Dtype::UInt8, before: Dtype::Int16 }),
                "dtype := 'float32'",
            ),
            (
                Error::unsuited(path, Lack::BeyondFloat { band: 1, value: 16_777_217 }),
                "FROM read_patch(...) gives pixels in the file's own type",
            ),
            (
                Error::unsuited(path, Lack::Times { variable: "t".into(), problem: "has no units".into() }),
                "filename_regex or time_tag, or name another variable with time_var",
            ),
            (
                Error::out_of_range(1, Bounds::Raster { path: path.into(), height: 1, width: 1 }),
                "{boundless: true} to get NULL pixels instead",
            ),
            (
                Error::out_of_range("slice", Bounds::Files { first: Some(path.into()), count: 1 }),
                "{boundless: true} to get NULL pixels instead, or check the CRS and the box",
            ),
            (Error::out_of_range(16, Bounds::Pixels(10)), "edge := 'overflow'"),
            (
                Error::out_of_range(
                    "box",
                    Bounds::Unit { crs: "EPSG:3035".into(), unit: "metre".into(), geographic: false },
                ),
                "{shape_crs: 'OGC:CRS84'}",
            ),
            (large(Load::Groups), "Make fewer groups at a time, or SET geoquilt_aggregate_mb higher"),
            (
                large(Load::Field { canvas: "of 4 x 4".into() }),
                "STITCH overlap_add), or SET geoquilt_aggregate_mb = 8",
            ),
            (large(Load::Band { canvas: "of 4 x 4".into() }), "ORDER BY win.row_off"),
            (
                large(Load::Values { variable: "sst".into(), values: 9 }),
                "FROM read_array(...), or SET geoquilt_max_chunk_mb = 8",
            ),
            (large(Load::Slices("a slice".into())), "smaller slices, or SET geoquilt_max_chunk_mb = 8"),
            (
                large(Load::Rows { what: "2 slices".into(), streams: "read_slice" }),
                "FROM read_slice('jobs.parquet', ...), a row of paths and a slice each, or SET geoquilt_max_chunk_mb = 8",
            ),
            (large(Load::Labels), "fewer rows at once, or SET geoquilt_max_chunk_mb = 8"),
            (large(Load::Chunk), "FROM read_patch('registry.parquet'), or SET geoquilt_max_chunk_mb = 8"),
            (
                large(Load::Window { window: "window".into(), bands: 1 }),
                "Cut it into smaller windows, or SET geoquilt_max_chunk_mb = 8",
            ),
            (large(Load::Zone), "{stats: ['count', 'mean']}, or raise the setting"),
            (
                large(Load::Steps { first: "a".into(), last: "b".into(), most: 3 }),
                "Take longer steps, or SET geoquilt_max_chunk_mb higher",
            ),
            (large(Load::Median { times: 3, slice: "slice".into() }), "smaller slices, or a mean"),
            (
                Error::NoRoom { what: "a vector".into(), needed: 1 << 26, reason: "std::bad_alloc".into() },
                "Read smaller windows or fewer rows at once, or give more memory: SET memory_limit",
            ),
            (Error::NoAxis { name: "x".into(), dims: vec!["x".into()] }, "Select by index: {isel: {x: 0}}"),
            (
                Error::NoAxis { name: "lat".into(), dims: vec!["y".into(), "x".into()] },
                "Select by index: {isel: {y: ..., x: ...}}",
            ),
            (
                Error::RemoteGlob { pattern: "s3://b/*.tif".into() },
                "SET VARIABLE files = (SELECT list(file) FROM glob('s3://b/*.tif'))",
            ),
            (
                Error::Misnamed { name: "x".into(), fault: NameFault::NoGroup },
                r"'(?P<date>\d{8})' is the time",
            ),
        ];
        for (error, line) in table {
            let text = error.to_string();
            assert!(!text.contains('\n'), "the engine has a second line already: {text}");
            let told = told(&error.at("f(p)"));
            let (first, second) = told.split_once('\n').unwrap();
            assert_eq!(first, format!("f(p): {text}"));
            assert!(second.contains(line), "{second}");
            assert!(!second.ends_with('.') && !second.contains('\n'), "{second}");
        }
    }

    #[test]
    fn subdatasets_that_are_arrays_may_be_laid_onto_a_grid() {
        let bands = |name: &str| told(&Error::unsuited("a.nc", Lack::Bands(vec![name.into()])));
        assert!(bands("NETCDF:a.nc:v").ends_with(
            "\nName one of them: NETCDF:a.nc:v, or lay a variable onto a grid with read_array('a.nc', variable, {slice: ...})"
        ));
        assert!(bands("SENTINEL2_L2A:a.xml:10m").ends_with("\nName one of them: SENTINEL2_L2A:a.xml:10m"));
    }

    #[test]
    fn what_needs_no_words_of_sql_stays_as_it_is() {
        for error in [
            Error::absent("a.tif"),
            Error::invalid(1, "two"),
            Error::unsuited("a.tif", Lack::Crs),
            Error::conflict("a and b", "Give one"),
        ] {
            assert_eq!(told(&error), error.to_string());
        }
    }
}
