//! Stitching and statistics. Many patches into one field, or into a few numbers.

use crate::sql::group;

group! {
    "Stitching and statistics";
    aggregate stats::Stats,
}
