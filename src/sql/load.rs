//! LOAD: what is registered on the database that loads the extension.

use crate::bridge::connection::{Connection, when_closed};
use crate::bridge::load::Extension;
use crate::bridge::query;
use crate::bridge::settings;
use crate::bridge::signpost;
use crate::error::{Error, Result};
use crate::files::ranges;
use crate::format::gdal;
use crate::limits::when_lowered;
use crate::memory;
use crate::read::array_handles;
use crate::read::source::{self, block_cache};
use crate::sql::shared::{catalog_crs, remedies};
use crate::sql::{functions, replacement};
use crate::workers;

/// The whole of geoquilt, as DuckDB sees it.
pub const EXTENSION: Extension =
    Extension { register, replacement: replacement::function, tell: remedies::told };

/// What the engine needs before any file is read; once is enough, and more does no harm.
pub fn start() {
    gdal::start();
    memory::limit_by(workers::memory);
    when_lowered(|| {
        block_cache().keep_bound();
        ranges::keep_bound();
    });
    when_closed(|| {
        source::close_idle();
        array_handles::close_idle();
    });
}

fn register(connection: &Connection) -> Result<()> {
    start();
    settings::register(connection)?;
    catalog_crs::load(connection)?;
    query::register(connection)?;
    for register in functions().filter_map(|function| function.register) {
        register(connection)?;
    }
    let home = macro_home(connection)?;
    for doc in functions().filter(|function| function.sql.is_some()).map(|function| function.doc) {
        // DuckDB has a function `stats` of its own.
        if doc.name != "stats" {
            signpost::register(connection, doc, home)?;
        }
    }
    // A macro stands on functions, and on macros before it in the list.
    for sql in functions().filter_map(|function| function.sql) {
        connection.run(&sql.replace("geoquilt.main.", &format!("{home}.main.")))?;
    }
    Ok(())
}

/// The names that the macros' database may have, the first that is free.
const HOMES: [&str; 2] = ["geoquilt", "geoquilt_macros"];

/// Macros live in a database of their own, in memory: nothing is written into the user's. A database of the user's that
/// is named geoquilt, as `duckdb geoquilt.db` makes it, or a schema of that name, with which it would be ambiguous, keeps
/// its name, and the macros move next door.
fn macro_home(connection: &Connection) -> Result<&'static str> {
    for home in HOMES {
        // A database of ours is hidden: one that is listed is the user's.
        let taken = connection.number(&format!(
            "SELECT (SELECT count(*) FROM duckdb_databases() WHERE lower(database_name) = '{home}') \
             + (SELECT count(*) FROM duckdb_schemas() WHERE lower(schema_name) = '{home}')"
        ))?;
        if taken == 0 {
            connection.run(&format!("ATTACH IF NOT EXISTS ':memory:' AS {home} (READ_WRITE, HIDDEN)"))?;
            return Ok(home);
        }
    }
    let problem = "databases or schemas are named both geoquilt and geoquilt_macros, and the macros need one of the names";
    Err(Error::conflict(problem, "Rename one of them, or attach it after LOAD"))
}
