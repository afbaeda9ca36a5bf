//! DuckDB's file system behind `files::remote`: s3://, https://, hf:// and, in Python, whatever fsspec file system
//! the user registered.
//!
//! A context is the connection's and outlives every query on it, and so do the file systems had from it; handles are
//! closed when the session of a call ends. One C file system keeps one last error, so each open makes its own.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use duckdb::ffi;

use crate::bridge::interrupt;
use crate::bridge::settings;
use crate::bridge::text::text;
use crate::bridge::value::RawValue;
use crate::error::ReasonResult;
use crate::files::remote::{Permit, RemoteFiles, RemoteHandle};
use crate::kept::Shared;
use crate::limits::Transport;
use crate::value::Value;

/// The file system of a connection.
pub struct DuckFiles {
    context: ffi::duckdb_client_context,
    /// The number of its database; 0 where it is not known.
    database: u64,
    /// The database may keep queries from some files, or from all.
    guarded: OnceLock<bool>,
    /// What a query may use, once it was asked.
    memory: OnceLock<usize>,
}

// SAFETY: the context only leads to the connection's file system, which DuckDB's own threads share.
unsafe impl Send for DuckFiles {}
// SAFETY: as above.
unsafe impl Sync for DuckFiles {}

impl DuckFiles {
    /// # Safety
    /// `context` is live and owned by the caller, who gives it away; the value must not outlive the connection.
    pub unsafe fn new(context: ffi::duckdb_client_context, database: u64) -> DuckFiles {
        DuckFiles { context, database, guarded: OnceLock::new(), memory: OnceLock::new() }
    }
}

impl Drop for DuckFiles {
    fn drop(&mut self) {
        // SAFETY: it is owned here.
        unsafe { ffi::duckdb_destroy_client_context(&mut self.context) }
    }
}

/// What kept a file from being opened.
struct Refusal {
    said: String,
    /// By the database's settings, rather than by what the file is.
    forbidden: bool,
    /// No file system opens such a URL.
    is_strange: bool,
}

impl DuckFiles {
    fn try_open(&self, url: &str) -> std::result::Result<DuckHandle, Refusal> {
        let other = |said: String| Refusal { said, forbidden: false, is_strange: false };
        let path = text(url).map_err(|e| other(e.to_string()))?;
        // SAFETY: the context is live; the file system and the options are made and destroyed here, and the handle is
        // owned by the value returned.
        unsafe {
            let mut files = ffi::duckdb_client_context_get_file_system(self.context);
            if files.is_null() {
                return Err(other("DuckDB gives no file system".into()));
            }
            let mut options = ffi::duckdb_create_file_open_options();
            ffi::duckdb_file_open_options_set_flag(
                options,
                ffi::duckdb_file_flag_DUCKDB_FILE_FLAG_READ,
                true,
            );
            let mut handle = std::ptr::null_mut();
            let state = ffi::duckdb_file_system_open(files, path.as_ptr(), options, &mut handle);
            ffi::duckdb_destroy_file_open_options(&mut options);
            let opened = match state == ffi::DuckDBSuccess && !handle.is_null() {
                true => Ok(DuckHandle(handle)),
                false => Err(refusal(ffi::duckdb_file_system_error_data(files))),
            };
            ffi::duckdb_destroy_file_system(&mut files);
            opened
        }
    }

    fn setting(&self, name: &str) -> Value {
        let Ok(name) = text(name) else { return Value::Null };
        // SAFETY: the context and the name are live; the value is owned here.
        unsafe {
            let raw = RawValue(ffi::duckdb_client_context_get_config_option(
                self.context,
                name.as_ptr(),
                std::ptr::null_mut(),
            ));
            Value::read(&raw)
        }
    }
}

impl RemoteFiles for DuckFiles {
    fn open(&self, url: &str) -> ReasonResult<Box<dyn RemoteHandle>> {
        match self.try_open(url) {
            Ok(handle) => Ok(Box::new(handle)),
            Err(refusal) => Err(refusal.said.into()),
        }
    }

    fn is_interrupted(&self) -> bool {
        // SAFETY: the context is live, and its connection outlives the value.
        unsafe { interrupt::is_interrupted(self.context) }
    }

    fn memory(&self) -> usize {
        *self.memory.get_or_init(|| settings::memory(&self.setting("memory_limit")).unwrap_or(usize::MAX))
    }

    fn is_guarded(&self) -> bool {
        *self.guarded.get_or_init(|| match self.setting("enable_external_access") {
            // DuckDB does not tell which file systems are disabled, but opens no file of theirs, though there be none.
            Value::Bool(true) => self.try_open(NOWHERE).is_err_and(|refusal| refusal.forbidden),
            // A setting that is not told is taken to forbid: each file is asked about.
            _ => true,
        })
    }

    fn web(&self, transport: Transport) -> Permit {
        // A proxy of the database's own is the only way out that it allows.
        let is_direct = match self.setting("http_proxy") {
            Value::Null => true,
            Value::Text(proxy) => proxy.is_empty(),
            _ => false,
        };
        if !is_direct || self.is_guarded() {
            return Permit::Forbidden;
        }
        // DuckDB looks for an extension each time, on the web too, which takes as long as many requests of ours.
        if transport == Transport::Native
            && ALONE.get(&self.database).is_some_and(|then| then.elapsed() < A_WHILE)
        {
            return Permit::Alone;
        }
        // Which file systems are disabled is told by none of the settings, only by trying.
        match self.try_open(NOWHERE_ON_THE_WEB) {
            Err(refusal) if refusal.forbidden => Permit::Forbidden,
            Err(refusal) if refusal.is_strange => {
                if self.database != 0 {
                    ALONE.insert(self.database, Instant::now());
                }
                Permit::Alone
            }
            _ => Permit::Free,
        }
    }

    fn forbids(&self, path: &Path) -> Option<String> {
        if !self.is_guarded() {
            return None;
        }
        // DuckDB would wait for a pipe: of whatever is not a file it is asked for something within.
        let is_other = path.metadata().is_ok_and(|found| !found.is_file());
        let asked = if is_other { path.join("-") } else { path.to_path_buf() };
        let Some(asked) = asked.to_str() else { return Some("its name is not UTF-8".into()) };
        let refused = self.try_open(asked).is_err_and(|refusal| refusal.forbidden);
        refused.then(|| FORBIDDEN.into())
    }
}

/// The name of no file.
const NOWHERE: &str = "/dev/null/geoquilt";

/// Databases that had no file system for the web, and when.
static ALONE: Shared<u64, Instant> = Shared::new(1024);
const A_WHILE: Duration = Duration::from_secs(60);

/// A URL that no connection is made for: the port is that of no server, and httpfs wants a path.
const NOWHERE_ON_THE_WEB: &str = "http://0.0.0.0:0";

/// What keeps a query from a file, by the names that DuckDB gives it.
const FORBIDDEN: &str = "this database forbids it (enable_external_access, allowed_directories, allowed_paths, disabled_filesystems)";

struct DuckHandle(ffi::duckdb_file_handle);

// SAFETY: a handle may move between threads; `&mut` keeps it to one at a time.
unsafe impl Send for DuckHandle {}

impl Drop for DuckHandle {
    fn drop(&mut self) {
        // SAFETY: it is owned here. `destroy` closes too and lets a failure escape as a C++ exception, so the close
        // is tried first, where it is caught; a handle that cannot be closed is left behind.
        unsafe {
            if ffi::duckdb_file_handle_close(self.0) == ffi::DuckDBSuccess {
                ffi::duckdb_destroy_file_handle(&mut self.0);
            }
        }
    }
}

impl DuckHandle {
    /// # Safety
    /// The call before on this handle failed.
    unsafe fn failure(&self) -> String {
        // SAFETY: the handle is live.
        unsafe { words(ffi::duckdb_file_handle_error_data(self.0)) }
    }

    fn number(&self, number: i64) -> ReasonResult<u64> {
        // SAFETY: a negative number is how the C interface says that its call failed.
        u64::try_from(number).map_err(|_| unsafe { self.failure() }.into())
    }
}

impl RemoteHandle for DuckHandle {
    fn size(&mut self) -> ReasonResult<u64> {
        // SAFETY: the handle is live, here and below.
        let size = unsafe { ffi::duckdb_file_handle_size(self.0) };
        self.number(size)
    }

    fn seek(&mut self, offset: u64) -> ReasonResult<()> {
        let offset = i64::try_from(offset).map_err(|_| "an offset beyond 2^63")?;
        // SAFETY: as above.
        match unsafe { ffi::duckdb_file_handle_seek(self.0, offset) } == ffi::DuckDBSuccess {
            true => Ok(()),
            // SAFETY: the call failed.
            false => Err(unsafe { self.failure() }.into()),
        }
    }

    fn tell(&mut self) -> ReasonResult<u64> {
        // SAFETY: as above.
        let offset = unsafe { ffi::duckdb_file_handle_tell(self.0) };
        self.number(offset)
    }

    fn read(&mut self, out: &mut [u8]) -> ReasonResult<usize> {
        // SAFETY: as above; DuckDB writes at most as many bytes as there are.
        let read = unsafe { ffi::duckdb_file_handle_read(self.0, out.as_mut_ptr().cast(), out.len() as i64) };
        self.number(read).map(|n| n as usize)
    }
}

/// What an error says and what kind it is, and gives it back to DuckDB.
///
/// # Safety
/// As of [`words`].
unsafe fn refusal(error: ffi::duckdb_error_data) -> Refusal {
    // SAFETY: the caller's; the kind is asked before the error is given back.
    unsafe {
        let kind = ffi::duckdb_error_data_error_type(error);
        let strange = [
            ffi::duckdb_error_type_DUCKDB_ERROR_MISSING_EXTENSION,
            ffi::duckdb_error_type_DUCKDB_ERROR_AUTOLOAD,
        ];
        Refusal {
            forbidden: kind == ffi::duckdb_error_type_DUCKDB_ERROR_PERMISSION,
            is_strange: strange.contains(&kind),
            said: words(error),
        }
    }
}

/// What an error says, and gives it back to DuckDB.
///
/// # Safety
/// `error` is live and owned by the caller.
unsafe fn words(mut error: ffi::duckdb_error_data) -> String {
    // SAFETY: the message lives as long as the error, which is destroyed here.
    unsafe {
        let message = ffi::duckdb_error_data_message(error);
        let text = if message.is_null() {
            String::new()
        } else {
            CStr::from_ptr(message).to_string_lossy().into_owned()
        };
        ffi::duckdb_destroy_error_data(&mut error);
        text
    }
}
