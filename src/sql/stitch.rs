//! Stitching and statistics. Many patches into one field, or into a few numbers.

group! {
    "Stitching and statistics";
    aggregate stats::Stats,
}
