//! Values of array files. Variables of NetCDF, HDF5, GRIB and Zarr by their coordinates.

pub mod array_job;
pub mod array_rows;
pub mod selection;

group! {
    "Values of array files";
    table read_variables::ReadVariables,
    scalar read_array::ReadArray,
    scalar read_times::ReadTimes,
    table read_array_table::ReadArrayTable,
}
