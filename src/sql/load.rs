//! LOAD: what is registered on the database that loads the extension.

use crate::bridge::connection::Connection;
use crate::bridge::load::Extension;
use crate::bridge::settings;
use crate::error::Result;
use crate::format::gdal;
use crate::sql::shared::{catalog_crs, remedies};
use crate::sql::{functions, replacement};

/// The whole of geoquilt, as DuckDB sees it.
pub const EXTENSION: Extension =
    Extension { register, replacement: replacement::function, tell: remedies::told };

fn register(connection: &Connection) -> Result<()> {
    gdal::start();
    settings::register(connection)?;
    catalog_crs::load(connection)?;
    for register in functions().filter_map(|function| function.register) {
        register(connection)?;
    }
    // A macro stands on functions, and on macros before it in the list.
    let home = macro_home(connection)?;
    for sql in functions().filter_map(|function| function.sql) {
        connection.run(&sql.replace("geoquilt.main.", &format!("{home}.main.")))?;
    }
    Ok(())
}

/// Macros live in a database of their own, in memory: nothing is written into the user's. One of the user's
/// that is named geoquilt, as `duckdb geoquilt.db` makes it, keeps its name, and the macros move next door.
fn macro_home(connection: &Connection) -> Result<&'static str> {
    let taken = connection.number(
        "SELECT count(*) FROM duckdb_databases() WHERE database_name = 'geoquilt' AND path IS NOT NULL",
    )?;
    let home = if taken == 0 { "geoquilt" } else { "geoquilt_macros" };
    connection.run(&format!("ATTACH IF NOT EXISTS ':memory:' AS {home} (READ_WRITE, HIDDEN)"))?;
    Ok(home)
}
