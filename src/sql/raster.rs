//! Pixels of rasters. Windows of files, and slices that files are brought onto.

pub mod patch_scan;

group! {
    "Pixels of rasters";
    scalar geo_slice::GeoSlice,
    scalar geo_window::GeoWindow,
    scalar geo_project_slice::GeoProjectSlice,
    scalar read_patch::ReadPatch,
    table read_patch_table::ReadPatchTable,
    table read_blocks::ReadBlocks,
    table read_plan::ReadPlan,
    scalar read_slice::ReadSlice,
    table read_slice_table::ReadSliceTable,
    scalar read_series::ReadSeries,
    table read_series_table::ReadSeriesTable,
}
