//! Keeps the C libraries inside from writing to standard output, which belongs to the program: see src/format/gdal/vsi.rs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Other linkers have no such way.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        for function in ["printf", "__printf_chk", "puts", "putchar"] {
            println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap={function}");
        }
    }
}
