"""What every test here stands on: a connection with geoquilt in it, and seeded rasters in tmp_path."""
import fcntl
import os
import pathlib
import subprocess
import sys
import types
import zipfile

import duckdb
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXTENSION = os.environ.get("GEOQUILT_EXTENSION", str(ROOT / "build/release/geoquilt.duckdb_extension"))
CACHE = pathlib.Path(os.environ.get("GEOQUILT_TEST_CACHE", pathlib.Path.home() / ".cache/geoquilt/test"))
# The package as it lies here, over the file under test.
sys.path.insert(0, str(ROOT / "python"))
os.environ["GEOQUILT_EXTENSION"] = EXTENSION
DEPTH_RECON = "depth-recon==0.0.1a12"
TORCH = "torch==2.14.1"
TORCH_MINUTES = 15  # several gigabytes
BESIDE_TORCH = ["duckdb==1.5.6", "numpy==2.4.6", "pyarrow==26.0.1", "pandas==3.1.1", "rasterio==1.4.4", "matplotlib==3.11.2", "iris-sample-data==2.5.2"]


# Files about what no engine changes: bytes of formats, pictures, pages. They run with the first engine; the second runs all others.
ONCE = {"test_cf_rules", "test_codecs", "test_convert", "test_drivers", "test_features", "test_gallery", "test_land_fraction", "test_limits", "test_macros", "test_numbers", "test_ocean", "test_plot",
        "test_publish", "test_query_samples", "test_read_profiles", "test_scaling", "test_site", "test_stac", "test_stac_writers", "test_torch", "test_write_chips", "test_write_zarr", "test_zarr"}


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time or threads, and runs while nothing else does")
    config.addinivalue_line("markers", "once: of a file about what no engine changes")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in ONCE:
            item.add_marker("once")


def connect(database=":memory:", load=True, **config):
    """A connection that may load the extension under test."""
    con = duckdb.connect(str(database), config={"allow_unsigned_extensions": "true", **config})
    # A slow machine would have it printed among what a test prints.
    con.execute("SET enable_progress_bar = false")
    if load:
        con.execute(f"LOAD '{EXTENSION}'")
    return con


@pytest.fixture
def con():
    con = connect()
    yield con
    con.close()


@pytest.fixture(scope="session")
def rng():
    return np.random.default_rng(20240607)


def write_raster(path, data, crs="EPSG:32629", transform=None, mask=None, descriptions=None, scales=None, offsets=None, **profile):
    """Writes [band, row, col] (or [row, col]) data as a GeoTIFF and gives its path as text."""
    data = np.asarray(data)
    data = data[None] if data.ndim == 2 else data
    bands, height, width = data.shape
    transform = from_origin(500000, 4600000, 10, 10) if transform is None else transform
    profile = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": data.dtype, "crs": crs, "transform": transform, **profile}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as file:
        file.write(data)
        if mask is not None:
            file.write_mask(mask)
        for band, text in enumerate(descriptions or [], 1):
            file.set_band_description(band, text)
        if scales is not None:
            file.scales = scales
        if offsets is not None:
            file.offsets = offsets
    return str(path)


def parse_spec(line):
    """A raster in one line of text, as WKT is a geometry in one; src/testing/raster_spec.rs tells the grammar and reads the same lines.

    '3x4 uint8 EPSG:32632 10 nodata=0 | 1 2 3 4 / 5 6 7 8 / 9 10 11 12' is three rows and four columns of ten metres.
    """
    head, *bands = line.split("|")
    size, dtype, crs, resolution, *options = head.split()
    height, width = map(int, size.split("x"))
    options = dict(option.split("=") for option in options)
    x, y = map(float, options.pop("at", "0,0").split(","))
    nodata, strip = options.pop("nodata", None), int(options.pop("strip", height))
    interleave = {"together": "pixel", "apart": "band"}[options.pop("bands", "apart")]
    assert not options, f"no option {', '.join(options)}"

    def band(text):
        text = text.strip()
        if text.startswith("count"):
            return np.arange(height * width).reshape(height, width) + float(text[len("count"):] or 0)
        return np.array([row.split() for row in text.split("/")], float).reshape(height, width)

    data = np.stack([band(text) for text in bands]).astype(dtype)
    transform = from_origin(x, y, float(resolution), float(resolution))
    return types.SimpleNamespace(
        data=data, crs=None if crs == "-" else crs, transform=transform, nodata=None if nodata is None else float(nodata), strip=strip, interleave=interleave)


@pytest.fixture
def spec_raster(tmp_path):
    """spec_raster(line, name): writes the raster of a line into tmp_path."""

    def write(line, name="a.tif"):
        spec = parse_spec(line)
        return write_raster(tmp_path / name, spec.data, crs=spec.crs, transform=spec.transform, nodata=spec.nodata, blockysize=spec.strip, interleave=spec.interleave)

    return write


@pytest.fixture
def raster(tmp_path):
    """raster(name, data, **profile): writes a GeoTIFF into tmp_path."""
    return lambda name, data, **profile: write_raster(tmp_path / name, data, **profile)


@pytest.fixture(scope="session")
def depth_recon():
    """Folder of the reference's own code and land mask, fetched once into the cache."""
    folder = CACHE / "depth-recon-0.0.1a12"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "depth-recon.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "depth_recon/data/dataset_grid_utils.py").exists():
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "-d", str(CACHE), DEPTH_RECON],
                check=True, timeout=300)
            wheel = next(CACHE.glob("depth_recon-0.0.1a12-*.whl"))
            zipfile.ZipFile(wheel).extractall(folder)
    sys.path.insert(0, str(folder))
    return folder


@pytest.fixture(scope="session")
def torch_python():
    """Python of an environment that holds torch: a large one, made once and kept in the cache; where torch cannot be had, what needs it is skipped."""
    home = CACHE / f"venv-{TORCH.replace('==', '-')}"
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = "\n".join([TORCH, *BESIDE_TORCH])
    with open(f"{home}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = home / ".ready"
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        if not ready.exists() or ready.read_text() != wanted:
            install = [str(home / "bin/python"), "-m", "pip", "install", "-q", TORCH, *BESIDE_TORCH]
            try:
                made = subprocess.run(install, capture_output=True, text=True, timeout=TORCH_MINUTES * 60)
            except subprocess.TimeoutExpired:
                pytest.skip(f"torch is not here within {TORCH_MINUTES} minutes")
            if made.returncode:
                pytest.skip(f"torch cannot be installed: {made.stderr[-300:]}")
            ready.write_text(wanted)
    return str(home / "bin/python")


@pytest.fixture(scope="session")
def iris_data():
    """Folder of the files in iris-sample-data."""
    iris_sample_data = pytest.importorskip("iris_sample_data")
    return pathlib.Path(iris_sample_data.__file__).parent / "sample_data"


def sql_list(values):
    """A SQL list of texts."""
    return "[" + ", ".join("'" + str(v).replace("'", "''") + "'" for v in values) + "]"


def run_python(code, timeout=120, env=None, python=sys.executable):
    """Runs code in a process of its own; a hang is a failure. EXTENSION and HERE are defined in it."""
    head = f"import sys; EXTENSION = {EXTENSION!r}; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\n"
    return subprocess.run([python, "-c", head + code], capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})})


OPEN_EXTENSION = "import duckdb; con = duckdb.connect(config={'allow_unsigned_extensions': 'true'}); con.execute('SET enable_progress_bar = false'); con.execute(f\"LOAD '{EXTENSION}'\")\n"
