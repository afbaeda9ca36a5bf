//! Writing. Formats of COPY, for fields and patches.

use crate::sql::group;

group! {
    "Writing";
    copy geotiff::Geotiff,
}
