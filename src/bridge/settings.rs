//! The settings that a user can `SET`: the bounds of memory, threads and requests.

#![allow(unsafe_code)]

use duckdb::ffi;

use crate::bridge::connection::Connection;
use crate::bridge::logical_type::LogicalType;
use crate::bridge::text::text;
use crate::bridge::value::RawValue;
use crate::error::{Error, Result};
use crate::files::cgroup_memory;
use crate::limits::{self, Choice, Limits, Scope, Transport};
use crate::sql_type::SqlType;
use crate::value::Value;

/// One setting: its name, its meaning, and how it is kept in [`Limits`].
pub struct Setting {
    /// As in `SET name = value`.
    pub name: &'static str,
    /// What it bounds, with its unit.
    pub meaning: &'static str,
    /// The least and the most that it may be.
    pub range: (u64, u64),
    /// What it may be where it is a word: the number is the word's.
    pub words: &'static [&'static str],
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// MiB in all that an address can name.
const MOST_MIB: u64 = u64::MAX >> 20;

/// Every setting of geoquilt.
pub const SETTINGS: [Setting; 11] = [
    Setting {
        name: "geoquilt_block_cache_mb",
        meaning: "MiB of decoded blocks kept for the whole process: unless set, 512, or a quarter of memory_limit if that is less",
        range: (0, MOST_MIB),
        words: &[],
        get: |limits| limits.block_cache as u64 >> 20,
        set: |limits, mb| limits.block_cache = mib(mb),
    },
    Setting {
        name: "geoquilt_threads",
        meaning: "threads that one call of a function of geoquilt works on",
        range: (1, 1024),
        words: &[],
        get: |limits| limits.threads as u64,
        set: |limits, n| limits.threads = n as usize,
    },
    Setting {
        name: "geoquilt_max_chunk_mb",
        meaning: "MiB of pixels that one chunk of a scalar function may take: unless set, 512, or a quarter of memory_limit if that is less",
        range: (1, MOST_MIB),
        words: &[],
        get: |limits| limits.chunk as u64 >> 20,
        set: |limits, mb| limits.chunk = mib(mb),
    },
    Setting {
        name: "geoquilt_aggregate_mb",
        meaning: "MiB that the groups of an aggregate may take together, or the part of a field that is not written yet: unless set, 1024, or, of what is no aggregate, a quarter of memory_limit if that is less",
        range: (1, MOST_MIB),
        words: &[],
        get: |limits| limits.aggregate as u64 >> 20,
        set: |limits, mb| limits.aggregate = mib(mb),
    },
    Setting {
        name: "geoquilt_remote_cache_mb",
        meaning: "MiB of remote files' bytes kept for the whole process, and the largest NetCDF file read from a URL",
        range: (1, MOST_MIB),
        words: &[],
        get: |limits| limits.remote_cache as u64 >> 20,
        set: |limits, mb| limits.remote_cache = mib(mb),
    },
    Setting {
        name: "geoquilt_remote_retries",
        meaning: "how often a remote read that failed is tried again, after 0.1 s, 0.4 s, 1.6 s and so on",
        range: (0, 6),
        words: &[],
        get: |limits| u64::from(limits.remote_retries),
        set: |limits, n| limits.remote_retries = n as u32,
    },
    Setting {
        name: "geoquilt_remote_concurrency",
        meaning: "requests for remote files that a query has under way at once, whatever geoquilt_threads is",
        range: (1, 1024),
        words: &[],
        get: |limits| limits.remote_concurrency as u64,
        set: |limits, n| limits.remote_concurrency = n as usize,
    },
    Setting {
        name: "geoquilt_remote_inflight_mb",
        meaning: "MiB that the requests of a query that are under way may bring together; one may bring more alone",
        range: (1, MOST_MIB),
        words: &[],
        get: |limits| limits.remote_inflight as u64 >> 20,
        set: |limits, mb| limits.remote_inflight = mib(mb),
    },
    Setting {
        name: "geoquilt_transport",
        meaning: "which way http:// and https:// are read: 'duckdb' by its file system, 'native' by geoquilt itself, 'auto' by geoquilt where DuckDB could",
        range: (0, 2),
        words: &["auto", "duckdb", "native"],
        get: |limits| match limits.transport {
            Transport::Auto => 0,
            Transport::DuckDb => 1,
            Transport::Native => 2,
        },
        set: |limits, word| {
            limits.transport = match word {
                0 => Transport::Auto,
                1 => Transport::DuckDb,
                _ => Transport::Native,
            }
        },
    },
    Setting {
        name: "geoquilt_remote_timeout",
        meaning: "seconds for which a server that geoquilt asks itself may say nothing",
        range: (1, 3600),
        words: &[],
        get: |limits| limits.remote_timeout.into(),
        set: |limits, seconds| limits.remote_timeout = seconds as u32,
    },
    Setting {
        name: "geoquilt_remote_trust",
        meaning: "seconds for which a file that geoquilt asked a server for itself is taken to be what it was; 0 looks anew in each query",
        range: (0, 31_536_000),
        words: &[],
        get: |limits| limits.remote_trust.into(),
        set: |limits, seconds| limits.remote_trust = seconds as u32,
    },
];

impl Setting {
    /// The value in force, as it is set.
    pub fn value(&self, limits: &Limits) -> String {
        let number = (self.get)(limits);
        self.words.get(number as usize).map_or_else(|| number.to_string(), |word| (*word).to_string())
    }
}

fn mib(mb: u64) -> usize {
    (mb as usize).saturating_mul(1 << 20)
}

/// # Errors
/// DuckDB refuses a setting.
pub fn register(connection: &Connection) -> Result<()> {
    let defaults = usual();
    for setting in &SETTINGS {
        let ty =
            LogicalType::new(if setting.words.is_empty() { &SqlType::UBigInt } else { &SqlType::Varchar })?;
        let word = text(&setting.value(&defaults))?;
        let (name, meaning) = (text(setting.name)?, text(setting.meaning)?);
        // SAFETY: every handle is made, filled, registered and destroyed here.
        unsafe {
            let default = RawValue(match setting.words.is_empty() {
                true => ffi::duckdb_create_uint64((setting.get)(&defaults)),
                false => ffi::duckdb_create_varchar(word.as_ptr()),
            });
            let mut option = ffi::duckdb_create_config_option();
            ffi::duckdb_config_option_set_name(option, name.as_ptr());
            ffi::duckdb_config_option_set_type(option, ty.raw());
            ffi::duckdb_config_option_set_default_value(option, default.0);
            ffi::duckdb_config_option_set_description(option, meaning.as_ptr());
            let state = ffi::duckdb_register_config_option(connection.raw(), option);
            ffi::duckdb_destroy_config_option(&mut option);
            if state != ffi::DuckDBSuccess {
                return Err(Error::Bug(format!("DuckDB refuses the setting {}", setting.name)));
            }
        }
    }
    Ok(())
}

impl Setting {
    /// # Errors
    /// A value out of range. DuckDB lets a setting be any number, so that it is seen with the next query only.
    fn read(&self, value: &Value, limits: &mut Limits) -> Result<()> {
        let (least, most) = self.range;
        if let Value::Text(text) = value {
            let known = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
            let known = known.ok_or_else(|| Error::NotOneOf {
                value: text.clone(),
                noun: "a way to read URLs",
                choices: self.words.iter().map(|word| (*word).to_string()).collect(),
            });
            (self.set)(limits, known.map_err(|error| error.at(self.name))? as u64);
            return Ok(());
        }
        let number = match value {
            Value::Double(v) if *v >= 0.0 => *v as u64,
            Value::Int(v) => u64::try_from(*v).unwrap_or(0),
            // A setting that is set to NULL has its default.
            Value::Null => return Ok(()),
            _ => u64::MAX,
        };
        if !(least..=most).contains(&number) {
            let must = format!("between {least} and {most}: SET {} = {}", self.name, (self.get)(&usual()));
            return Err(Error::invalid(value, must).at(self.name));
        }
        (self.set)(limits, number);
        Ok(())
    }
}

/// The settings in force for a query; gives the context back to DuckDB, and tells the caches their bounds.
///
/// # Errors
/// A setting out of its range.
///
/// # Safety
/// `context` is null or live and owned by the caller, who must not use it afterwards.
pub(super) unsafe fn read(mut context: ffi::duckdb_client_context, database: u64) -> Result<Limits> {
    if context.is_null() {
        return Ok(usual());
    }
    // SAFETY: the context is live until it is destroyed at the end; each value is owned here.
    let (values, memory, connection) = unsafe {
        let value = |name: &str| {
            let mut scope = ffi::duckdb_config_option_scope_DUCKDB_CONFIG_OPTION_SCOPE_INVALID;
            let name = text(name)?;
            let raw =
                RawValue(ffi::duckdb_client_context_get_config_option(context, name.as_ptr(), &mut scope));
            Ok((Value::read(&raw), scope))
        };
        let values: Vec<Result<(Value, ffi::duckdb_config_option_scope)>> =
            SETTINGS.iter().map(|setting| value(setting.name)).collect();
        let memory = value("memory_limit").ok();
        let connection = ffi::duckdb_client_context_get_connection_id(context);
        ffi::duckdb_destroy_client_context(&mut context);
        (values, memory, connection)
    };
    let usual = usual();
    let mut limits = Limits::within(self::memory(&memory.map_or(Value::Null, |(limit, _)| limit)));
    let mut scopes = [Scope::Default; SETTINGS.len()];
    for ((setting, value), scope) in SETTINGS.iter().zip(values).zip(&mut scopes) {
        let (value, told) = value?;
        let mut set = usual;
        setting.read(&value, &mut set)?;
        *scope = match told {
            ffi::duckdb_config_option_scope_DUCKDB_CONFIG_OPTION_SCOPE_LOCAL
            | ffi::duckdb_config_option_scope_DUCKDB_CONFIG_OPTION_SCOPE_SESSION => Scope::Connection,
            _ if set != usual => Scope::Database,
            _ => continue,
        };
        (setting.set)(&mut limits, (setting.get)(&set));
    }
    let choice = |name: &str, bytes| {
        let scope = SETTINGS.iter().zip(scopes).find(|(setting, _)| setting.name == name);
        Choice { bytes, scope: scope.map_or(Scope::Default, |(_, scope)| scope) }
    };
    let blocks = choice("geoquilt_block_cache_mb", limits.block_cache);
    let remote = choice("geoquilt_remote_cache_mb", limits.remote_cache);
    limits::apply((database, connection), blocks, remote);
    Ok(limits)
}

/// The bytes that a query may use: DuckDB's `memory_limit`, as it shows it, or what the control group allows if that is less.
pub(super) fn memory(limit: &Value) -> Option<usize> {
    let told = match limit {
        Value::Text(limit) => bytes_of(limit),
        _ => None,
    };
    told.into_iter().chain(cgroup_memory()).min()
}

/// The limits of who set none, as DuckDB shows them: `memory_limit` may make them less.
fn usual() -> Limits {
    Limits::within(cgroup_memory())
}

/// The bytes of a size as DuckDB shows it: `12.5 GiB`.
fn bytes_of(size: &str) -> Option<usize> {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (number, unit) = size.trim().split_once(' ')?;
    let power = UNITS.iter().position(|known| *known == unit)?;
    let number: f64 = number.parse().ok().filter(|number| *number >= 0.0)?;
    Some((number * 1024f64.powi(power as i32)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_duckdb_shows_it() {
        assert_eq!(bytes_of("0 bytes"), Some(0));
        assert_eq!(bytes_of("512.0 KiB"), Some(512 << 10));
        assert_eq!(bytes_of("12.5 GiB"), Some(25 << 29));
        for none in ["", "unlimited", "12", "-1 MiB", "12 MB", "x GiB"] {
            assert_eq!(bytes_of(none), None, "{none}");
        }
    }
}
