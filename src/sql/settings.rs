//! The settings that a user can `SET`: the bounds of memory and threads.

use duckdb::ffi;

use crate::error::{Error, Result};
use crate::read::Limits;
use crate::sql::chunk::{LogicalType, text};
use crate::sql::types::SqlType;
use crate::sql::value::{RawValue, Value};

/// One setting: its name, its meaning, and how it is kept in [`Limits`].
pub struct Setting {
    pub name: &'static str,
    pub meaning: &'static str,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

pub const SETTINGS: [Setting; 5] = [
    Setting {
        name: "geoquilt_block_cache_mb",
        meaning: "MiB of decoded blocks kept for the whole process",
        get: |limits| limits.block_cache as u64 >> 20,
        set: |limits, mb| limits.block_cache = mib(mb),
    },
    Setting {
        name: "geoquilt_threads",
        meaning: "worker threads of one table function of geoquilt",
        get: |limits| limits.threads as u64,
        set: |limits, n| limits.threads = (n as usize).clamp(1, 1024),
    },
    Setting {
        name: "geoquilt_max_chunk_mb",
        meaning: "MiB of pixels that one chunk of a scalar function may take",
        get: |limits| limits.chunk as u64 >> 20,
        set: |limits, mb| limits.chunk = mib(mb),
    },
    Setting {
        name: "geoquilt_remote_cache_mb",
        meaning: "MiB of remote files' bytes kept for the whole process, and the largest NetCDF file read from a URL",
        get: |limits| limits.remote_cache as u64 >> 20,
        set: |limits, mb| limits.remote_cache = mib(mb),
    },
    Setting {
        name: "geoquilt_remote_retries",
        meaning: "how often a remote read that failed is tried again, after 0.1 s, 0.4 s, 1.6 s and so on",
        get: |limits| u64::from(limits.remote_retries),
        set: |limits, n| limits.remote_retries = n.min(10) as u32,
    },
];

impl Setting {
    pub fn value(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }
}

fn mib(mb: u64) -> usize {
    (mb as usize).saturating_mul(1 << 20)
}

/// # Errors
/// DuckDB refuses a setting.
///
/// # Safety
/// `connection` is live.
pub unsafe fn register(connection: ffi::duckdb_connection) -> Result<()> {
    let defaults = Limits::default();
    for setting in &SETTINGS {
        let ty = LogicalType::new(&SqlType::UBigInt)?;
        let (name, meaning) = (text(setting.name)?, text(setting.meaning)?);
        // SAFETY: every handle is made, filled, registered and destroyed here.
        unsafe {
            let default = RawValue(ffi::duckdb_create_uint64((setting.get)(&defaults)));
            let mut option = ffi::duckdb_create_config_option();
            ffi::duckdb_config_option_set_name(option, name.as_ptr());
            ffi::duckdb_config_option_set_type(option, ty.raw());
            ffi::duckdb_config_option_set_default_value(option, default.0);
            ffi::duckdb_config_option_set_description(option, meaning.as_ptr());
            let state = ffi::duckdb_register_config_option(connection, option);
            ffi::duckdb_destroy_config_option(&mut option);
            if state != ffi::DuckDBSuccess {
                return Err(Error::Bug(format!("DuckDB refuses the setting {}", setting.name)));
            }
        }
    }
    Ok(())
}

/// The settings in force for a query, and gives the context back to DuckDB.
///
/// # Safety
/// `context` is null or live and owned by the caller, who must not use it afterwards.
pub unsafe fn read(mut context: ffi::duckdb_client_context) -> Limits {
    let mut limits = Limits::default();
    if context.is_null() {
        return limits;
    }
    // SAFETY: the context is live until it is destroyed at the end; each value is owned here.
    unsafe {
        for setting in &SETTINGS {
            let Ok(name) = text(setting.name) else { continue };
            let raw = RawValue(ffi::duckdb_client_context_get_config_option(
                context,
                name.as_ptr(),
                std::ptr::null_mut(),
            ));
            match Value::read(&raw) {
                Value::Double(v) if v >= 0.0 => (setting.set)(&mut limits, v as u64),
                Value::Int(v) if v >= 0 => (setting.set)(&mut limits, v as u64),
                _ => {}
            }
        }
        ffi::duckdb_destroy_client_context(&mut context);
    }
    limits.apply();
    limits
}
