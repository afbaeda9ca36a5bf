"""Makes dist/geoquilt-VERSION-py3-none-PLATFORM.whl: the package, with the extension inside. make_wheel.py EXTENSION [FOLDER].

The platform is what the file itself asks for: the highest version of the C library among its symbols is that of the tag (PEP 600).
"""
import base64
import hashlib
import pathlib
import platform
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python/geoquilt"
NEEDS = ["duckdb>=1.5.6", "numpy", "pyarrow"]
EXTRAS = {"cli": ["duckdb-cli"], "plot": ["matplotlib"], "torch": ["torch"], "xarray": ["xarray", "pyproj"], "geopandas": ["geopandas", "shapely"]}
#: So that the same files make the same wheel.
MOMENT = (2026, 1, 1, 0, 0, 0)


def platform_tag(library):
    """manylinux_2_35_x86_64, say."""
    symbols = subprocess.run(["objdump", "-T", str(library)], capture_output=True, text=True, check=True).stdout
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_(\d+\.\d+)", symbols)}
    major, minor = max(versions)
    return f"manylinux_{major}_{minor}_{platform.machine()}"


def metadata(version):
    """The wheel's METADATA."""
    lines = [
        "Metadata-Version: 2.1", "Name: geoquilt", f"Version: {version}", "Summary: Folders of satellite, model and in-situ files into machine-learning patches, in SQL and in Python",
        "License: MIT", "Requires-Python: >=3.10", *(f"Requires-Dist: {need}" for need in NEEDS),
    ]
    for extra, needs in EXTRAS.items():
        lines += [f"Provides-Extra: {extra}", *(f'Requires-Dist: {need}; extra == "{extra}"' for need in needs)]
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", (ROOT / "README.md").read_text()])


def main(extension, folder="dist"):
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    tag = f"py3-none-{platform_tag(extension)}"
    info = f"geoquilt-{version}.dist-info"
    files = {f"geoquilt/{path.name}": path.read_bytes() for path in sorted(PACKAGE.iterdir()) if path.suffix == ".py" or path.name == "py.typed"}
    files["geoquilt/geoquilt.duckdb_extension"] = pathlib.Path(extension).read_bytes()
    files[f"{info}/METADATA"] = metadata(version).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: geoquilt\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\ngeoquilt = geoquilt.__main__:main\n"
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    digest = lambda data: "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()  # noqa: E731
    record = "".join(f"{name},{digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = pathlib.Path(folder) / f"geoquilt-{version}-{tag}.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            out.writestr(entry, data)
    print(wheel)


if __name__ == "__main__":
    main(*sys.argv[1:])
