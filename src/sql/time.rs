//! Time as an axis of samples. Windows about anchors, weights within them, and their steps made one.

mod window_arguments;

group! {
    "Windows in time";
    table geo_time_windows_table::GeoTimeWindowsTable,
    scalar geo_time_windows::GeoTimeWindows,
    scalar geo_time_weights::GeoTimeWeights,
    scalar geo_time_reduce::GeoTimeReduce,
    table_macro space_time,
    table_macro space_time_events,
}
