//! What GDAL is kept from doing to coordinates while it opens a file.

/// While a file is opened, longitudes stay as they are stored: GDAL would turn GRIB's coordinates to -180 to 180, and
/// leave the values of arrays where they are.
pub(super) struct AsStored;

const TURNS: &str = "GRIB_ADJUST_LONGITUDE_RANGE";
/// GDAL guesses of some files that their first point is not where GDAL takes it to be; we know.
const GUESS: &str = "GRIB_LATITUDE_OF_FIRST_GRID_POINT_IS_SOUTHERN_MOST";

impl AsStored {
    pub(super) fn new() -> AsStored {
        // The texts hold no zero byte, the one thing that could be refused.
        let _ = gdal::config::set_thread_local_config_option(TURNS, "NO");
        let _ = gdal::config::set_thread_local_config_option(GUESS, "YES");
        AsStored
    }
}

impl Drop for AsStored {
    fn drop(&mut self) {
        let _ = gdal::config::clear_thread_local_config_option(TURNS);
        let _ = gdal::config::clear_thread_local_config_option(GUESS);
    }
}
