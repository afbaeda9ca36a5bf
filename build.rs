//! Compiles what catches DuckDB's exceptions (src/bridge/guarded.rs), and has the linker send calls of the C libraries inside
//! to src/format/gdal: to calls.rs what opens, reads, writes, makes and takes away files, and what prints to standard output, which belongs to
//! the program; to hdf5.rs what reads attributes of HDF5, opens its groups, and reads values that may stand in each other; to
//! sqlite.rs what opens databases. The C++ library comes along, so that the file stands on the C library and on libgcc_s alone.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/bridge/guarded.cpp");
    cc::Build::new().cpp(true).std("c++17").file("src/bridge/guarded.cpp").compile("geoquilt_guarded");
    // Other linkers have no such way.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        let opens = ["open", "open64", "fopen", "fopen64"];
        let reads = ["read", "pread", "pread64", "fread"];
        let writes = ["fwrite", "fclose"];
        let changes = ["mkdir", "rmdir", "unlink", "rename"];
        let prints = ["printf", "__printf_chk", "puts", "putchar"];
        let attributes =
            ["H5Aread", "H5DSis_scale", "H5DSget_num_scales", "H5DSiterate_scales", "H5FL_blk_realloc"];
        let circles = ["H5Gopen1", "H5Gopen2", "H5D__read"];
        let queries = ["sqlite3_open_v2"];
        let formats = attributes.iter().chain(&circles).chain(&queries);
        let files = opens.iter().chain(&reads).chain(&writes).chain(&changes);
        for function in files.chain(&prints).chain(formats) {
            println!("cargo:rustc-link-arg=-Wl,--wrap={function}");
        }
        link_cpp_library();
    }
}

/// Has `-lstdc++`, which several crates ask for, find the static library: a folder that holds that one alone is searched first. Where the
/// compiler has none, the shared one is linked as ever. libgcc_s stays shared: an exception of DuckDB's that is caught here passes
/// through both, and one unwinder must do it.
fn link_cpp_library() {
    let asked = Command::new("c++").arg("-print-file-name=libstdc++.a").output();
    let found = asked.ok().and_then(|answer| String::from_utf8(answer.stdout).ok());
    let library = found.map(|path| PathBuf::from(path.trim())).filter(|path| path.is_absolute());
    let (Some(library), Some(out)) = (library, std::env::var_os("OUT_DIR")) else { return };
    let folder = PathBuf::from(out).join("static");
    let link = folder.join("libstdc++.a");
    let _ = std::fs::create_dir_all(&folder);
    let _ = std::fs::remove_file(&link);
    if std::os::unix::fs::symlink(&library, &link).is_ok() {
        println!("cargo:rustc-link-search=native={}", folder.display());
    }
}
