"""The wheel: made of what is tested, installed in a fresh environment of this engine, beside what else lives in a notebook's process."""
import fcntl
import itertools
import os
import pathlib
import subprocess
import sys
import textwrap
import zipfile

import duckdb
import pytest
from conftest import CACHE, EXTENSION, ROOT

SST = str(ROOT / "test/data/small/sst_20180101.tif")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    made = subprocess.run([sys.executable, str(ROOT / "python/make_wheel.py"), EXTENSION, str(folder)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return pathlib.Path(made.stdout.strip())


@pytest.fixture(scope="module")
def fresh(wheel):
    """Python of an environment that holds the wheel and what that asks for, and nothing else; what it asks for stays in the cache."""
    home = CACHE / f"venv-wheel-{duckdb.__version__}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = home / "bin/python"
        if not (home / ".ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", f"duckdb=={duckdb.__version__}", "numpy==2.4.6", "pyarrow==26.0.1"], check=True)
            (home / ".ready").touch()
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--force-reinstall", str(wheel)], check=True)
    return str(python)


def run(python, code, timeout=120, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GEOQUILT", "PYTHON"))}
    return subprocess.run([python, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=timeout, env={**clean, **env}, cwd="/")


def test_the_wheel_asks_for_the_c_library_that_its_symbols_ask_for(wheel):
    symbols = subprocess.run(["objdump", "-T", EXTENSION], capture_output=True, text=True, check=True).stdout
    needed = {tuple(map(int, word[7:-1].split("."))) for word in symbols.split() if word.startswith("(GLIBC_2") and word.endswith(")")}
    major, minor = max(needed)
    assert f"-py3-none-manylinux_{major}_{minor}_" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert {"geoquilt/geoquilt.duckdb_extension", "geoquilt/py.typed", "geoquilt/torch.py"} <= set(names) and not any("pycache" in name for name in names)


def test_the_same_files_make_the_same_wheel(wheel, tmp_path):
    subprocess.run([sys.executable, str(ROOT / "python/make_wheel.py"), EXTENSION, str(tmp_path)], check=True, capture_output=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_an_hour_begins_with_three_lines(fresh):
    code = f"""
        import time
        begun = time.perf_counter()
        import geoquilt
        con = geoquilt.connect()
        row = con.sql("SELECT read_patch('{SST}', {{row_off: 8, col_off: 2, height: 2, width: 2}})").fetchall()[0][0]
        print(row, geoquilt.extension_path().endswith("geoquilt/geoquilt.duckdb_extension"), geoquilt.__version__)
        print(time.perf_counter() - begun)
    """
    answer = run(fresh, code)
    version = cargo_version()
    assert answer.stdout.splitlines()[0] == f"[18.125, 18.1875, None, 20.4375] True {version}", answer.stderr
    # Two seconds on a machine of its own.
    assert float(answer.stdout.splitlines()[1]) < 10


def cargo_version():
    text = (ROOT / "Cargo.toml").read_text()
    return text.split('version = "')[1].split('"')[0]


def test_batches_and_sql_share_the_cache_of_the_installed_file(fresh):
    code = f"""
        import geoquilt
        con = geoquilt.connect()
        con.sql("CREATE TABLE registry AS SELECT '{SST}' AS path, {{'row_off': 0, 'col_off': i, 'height': 4, 'width': 5}} AS win, i FROM range(6) t(i)")
        batch, = geoquilt.batches(con.table("registry"), size=6)
        missed = con.sql("SELECT misses FROM geoquilt_cache()").fetchall()
        lists = con.sql("SELECT read_patch(path, win, {{fill: 'nan'}}) FROM registry ORDER BY i").fetchall()
        print(batch["data"].shape, (batch["data"].reshape(6, 20) == [row[0] for row in lists]).all(), missed == con.sql("SELECT misses FROM geoquilt_cache()").fetchall())
    """
    answer = run(fresh, code)
    assert answer.stdout.strip() == "(6, 1, 4, 5) True True", answer.stderr


def test_a_connection_of_the_programs_own_is_loaded(fresh):
    code = """
        import duckdb, geoquilt
        con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        assert geoquilt.load(con) is con
        print(con.sql("SELECT count(*) > 100 FROM geoquilt_functions()").fetchall()[0][0])
        try:
            geoquilt.load(duckdb.connect())
        except duckdb.Error as error:
            print("unsigned" in str(error) or "signature" in str(error))
    """
    assert run(fresh, code).stdout.split() == ["True", "True"]


def test_the_command_opens_the_shell_or_says_where_it_is(fresh):
    command = pathlib.Path(fresh).parent / "geoquilt"
    answer = subprocess.run([str(command), "-c", "SELECT 1"], capture_output=True, text=True, env={"PATH": "/nowhere"})
    assert answer.returncode == 1 and "pip install duckdb-cli" in answer.stderr
    beside = pathlib.Path(sys.executable).parent / "duckdb"
    if beside.exists():
        answer = subprocess.run([str(command), "-csv", "-c", "SELECT count(*) > 100 AS many FROM geoquilt_functions()"], capture_output=True, text=True, env={"PATH": str(beside.parent)})
        assert answer.stdout.split()[-1] == "true", answer.stderr


#: What a notebook's process holds beside it, and a line that has it work.
OTHERS = {
    "rasterio": f"import rasterio; rasterio.open({SST!r}).read()",
    "pyproj": "import pyproj; pyproj.Transformer.from_crs('EPSG:4326', 'EPSG:32629', always_xy=True).transform(-9, 41)",
    "netCDF4": "import netCDF4; netCDF4.Dataset('x.nc', 'w', diskless=True).createDimension('t', 3)",
    "h5py": "import h5py; h5py.File('x', 'w', driver='core', backing_store=False)['a'] = [1, 2]",
    "pyarrow": "import pyarrow.parquet",
}


@pytest.mark.parametrize("first", [True, False])
def test_nothing_collides_in_one_process(first):
    ours = f"""
        import geoquilt
        con = geoquilt.connect()
        con.sql("CREATE OR REPLACE TABLE registry AS SELECT '{SST}' AS path, {{'row_off': 0, 'col_off': 0, 'height': 4, 'width': 5}} AS win")
        batch, = geoquilt.batches(con.table("registry"))
        assert batch["data"].shape == (1, 1, 4, 5)
        assert con.sql("SELECT len(read_slice('{SST}', geo_slice({{xmin: 0, ymin: 0, xmax: 10, ymax: 10}}, 5, 'EPSG:4326')).data)").fetchall() == [(4,)]
    """
    ours = textwrap.dedent(ours).strip()
    for order in itertools.islice(itertools.permutations(OTHERS.values()), 0, 120, 40):
        others = "\n".join(order)
        code = "\n".join([ours, others, ours] if first else [others, ours, others])
        answer = run(sys.executable, code, PYTHONPATH=str(ROOT / "python"), GEOQUILT_EXTENSION=EXTENSION)
        assert answer.returncode == 0, answer.stderr
