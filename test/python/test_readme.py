"""The README tells the truth: its session is what the tool prints, and every other block of SQL runs and gives what it says."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import geopandas
import matplotlib
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from conftest import EXTENSION, ROOT, write_raster
from exactextract import exact_extract
from range_server import RangeServer
from rasterio import features
from rasterio.transform import from_origin

README = (ROOT / "README.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", README, re.S | re.M))


def statements(section):
    """The statements of a section's SQL, in order, without comments."""
    blocks = "".join(re.findall(r"```sql\n(.*?)```", SECTIONS[section], re.S))
    return [statement.strip() for statement in re.sub(r"--.*", "", blocks).split(";") if statement.strip()]


def test_every_block_of_sql_is_run_by_a_test_here():
    here = Path(__file__).read_text()
    for section, text in SECTIONS.items():
        assert "```sql" not in text or f'statements("{section}")' in here or "<!-- session -->" in text, section


def test_the_readme_session_prints_what_the_readme_shows():
    cli = Path(sys.executable).parent / "duckdb"
    if not cli.exists():
        pytest.skip("the DuckDB client is installed beside one engine only")
    session = re.search(r"<!-- session -->\n```sql\n(.*?)```", README, re.S).group(1)
    shown = re.search(r"<!-- output -->\n```\n(.*?)```", README, re.S).group(1)
    (ROOT / "build").mkdir(exist_ok=True)
    run = subprocess.run([cli, "-unsigned", "-no-init", "-bail"], input=session, cwd=ROOT, text=True,
                         capture_output=True, timeout=120)
    assert run.stderr == ""
    assert run.stdout == shown


def test_the_first_lines_of_python_run_as_they_stand(monkeypatch):
    """And give the pixels of the training rows, each once."""
    matplotlib.use("Agg")
    code = re.search(r"<!-- first -->\n```python\n(.*?)```", README, re.S).group(1)
    assert len([line for line in code.splitlines() if line]) <= 10
    monkeypatch.chdir(ROOT)
    names = {"seen": []}
    exec(code.replace('batch["data"], batch["date"]', 'seen.append(batch)'), names)
    rows = names["con"].sql("SELECT path, win.row_off, win.col_off, patch_id, date FROM registry WHERE split = 'train'").fetchall()
    got = {(number, date.astype("datetime64[D]").item()): data for batch in names["seen"] for data, number, date in zip(batch["data"], batch["patch_id"], batch["date"])}
    assert len(got) == len(rows) == sum(len(batch.row) for batch in names["seen"]) > 16
    for path, row, col, number, date in rows:
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(got[number, date], file.read(masked=True)[:, row:row + 6, col:col + 6].filled(np.nan))


def test_the_readme_python_reads_every_patch(tmp_path, monkeypatch, con):
    """The code block "Into NumPy" runs as it stands, on a registry of its own making."""
    code = re.search(r"```python\n(.*?)```", SECTIONS["Into NumPy"], re.S).group(1)
    small = ROOT / "test/data/small"
    con.execute(f"""
        CREATE TABLE grid AS FROM geo_patch_grid('{small}/land.tif', size := 6);
        CREATE TABLE files AS FROM geo_catalog_build('{small}/sst*.tif', filename_regex := '(?P<date>\\d{{8}})');
        COPY (FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)) TO '{tmp_path}/registry.parquet'""")
    monkeypatch.chdir(tmp_path)
    code = code.replace("build/release/geoquilt.duckdb_extension", EXTENSION)
    seen = {}
    exec(code.replace("# no copy: [patch, band, row, col]", "; out.append(x.copy())"), {"out": seen.setdefault("x", [])})
    got = np.concatenate(seen["x"])
    rows = con.execute("SELECT path, win.row_off, win.col_off FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)").fetchall()
    want = np.stack([rasterio.open(p).read(masked=True)[:, r:r + 6, c:c + 6].filled(np.nan) for p, r, c in rows])
    assert got.shape == want.shape == (54, 1, 6, 6)
    np.testing.assert_array_equal(got, want)


def test_the_readme_batches_are_the_patches_of_the_registry(tmp_path, monkeypatch, con):
    small = ROOT / "test/data/small"
    con.execute(f"""
        CREATE TABLE grid AS FROM geo_patch_grid('{small}/land.tif', size := 6);
        CREATE TABLE files AS FROM geo_catalog_build('{small}/sst*.tif', filename_regex := '(?P<date>\\d{{8}})');
        COPY (FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)) TO '{tmp_path}/registry.parquet'""")
    monkeypatch.chdir(tmp_path)
    code = re.search(r"<!-- batches -->\n```python\n(.*?)```", README, re.S).group(1)
    seen = []
    exec(code.replace('batch["patch_id"], batch["date"]', 'seen.append((batch["data"], batch["patch_id"], batch["date"]))'), {"seen": seen})
    rows = con.execute(f"SELECT path, win.row_off, win.col_off, patch_id, date FROM '{tmp_path}/registry.parquet'").fetchall()
    want = np.stack([rasterio.open(p).read(masked=True)[:, r:r + 6, c:c + 6].filled(np.nan) for p, r, c, _, _ in rows])
    assert [len(data) for data, _, _ in seen] == [16, 16, 16, 6]
    np.testing.assert_array_equal(np.concatenate([data for data, _, _ in seen]), want)
    assert np.concatenate([ids for _, ids, _ in seen]).tolist() == [row[3] for row in rows]
    assert np.concatenate([dates for _, _, dates in seen]).astype("datetime64[D]").tolist() == [row[4] for row in rows]


def test_the_table_of_patches_reads_no_pixel(monkeypatch, con):
    monkeypatch.chdir(ROOT)
    looked_at = lambda: con.execute("SELECT hits + misses FROM geoquilt_cache()").fetchall()[0][0]
    before = looked_at()
    seen = {"con": con}
    exec(next(block for block in re.findall(r"```python\n(.*?)```", SECTIONS["Into NumPy"], re.S) if block.startswith("table")), seen)
    assert seen["table"].groupby("path").size().tolist() == [18, 18, 18] and looked_at() == before
    assert con.execute("SELECT count(*) FROM (SELECT * EXCLUDE data FROM 'test/data/small/sst_20180101.tif')").fetchall() == [(1,)] and looked_at() == before
    assert con.execute("SELECT count(data) FROM 'test/data/small/sst_20190101.tif'").fetchall() == [(1,)] and looked_at() > before


def test_an_array_in_numpy_is_xarrays(monkeypatch, con):
    monkeypatch.chdir(ROOT)
    seen = {"con": con}
    exec(re.findall(r"```python\n(.*?)```", SECTIONS["Into NumPy"], re.S)[1], seen)
    np.testing.assert_array_equal(seen["temp"], xr.open_zarr("test/data/small/ocean.zarr")["temp"])


def test_keeping_a_catalog(tmp_path, monkeypatch, con):
    monkeypatch.chdir(tmp_path)
    build, query, progress, rebuild, timed, told, append, latest, whole = statements("Keeping a catalog")
    paths = lambda rows: sorted(row[0] for row in rows)
    scene = lambda name, lon, lat: write_raster(name, np.ones((10, 10), "uint8"), crs="EPSG:4326", transform=from_origin(lon, lat, 1, 1))
    for folder in ("data/a", "data/b", "incoming/2024-05-01", "catalog"):
        Path(folder).mkdir(parents=True)
    inside, outside = scene("data/a/inside.tif", 35, 40), scene("data/b/outside.tif", 60, 40)

    con.execute(build)
    assert sorted(geopandas.read_parquet("catalog.parquet").path) == [inside, outside]
    assert paths(con.execute(query).fetchall()) == [inside]
    assert con.execute(progress).fetchall() == []
    os.remove(outside)
    new = scene("data/b/new.tif", 0, 0)
    with rasterio.open(new, "r+") as file:
        file.update_tags(author="someone", TIFFTAG_DATETIME="2018:01:31 10:20:30")
    con.execute(rebuild)
    assert paths(con.execute("FROM 'catalog.parquet'").fetchall()) == [inside, new]
    assert con.execute(told).fetchall() == [(new, "someone")]
    Path("scenes").mkdir()
    shutil.copy(new, "scenes/a.tif")
    assert str(con.execute(f"SELECT t_min FROM ({timed})").fetchone()[0]) == "2018-01-31 10:20:30"

    a, b = (scene(f"incoming/2024-05-01/{name}.tif", lon, 0) for name, lon in (("a", 0), ("b", 10)))
    for part, lon in (("first", 20), ("second", 30)):
        con.execute(append)
        os.rename("catalog/7f3a.tmp", f"catalog/{part}.parquet")
        scene(a, lon, 0)
        os.utime(a, (2e9 + lon, 2e9 + lon))
    assert sorted(con.execute(f"SELECT path, bbox.xmin FROM ({latest})").fetchall()) == [(a, 20.0), (b, 10.0)]
    os.remove(b)
    con.execute(whole)
    assert con.execute("SELECT path, bbox.xmin FROM 'whole.parquet'").fetchall() == [(a, 30.0)]


def test_geopandas_reads_a_box_of_a_catalog_under_v2_alone(tmp_path, con):
    for col in range(8):
        write_raster(tmp_path / f"{col}.tif", np.ones((10, 10), "uint8"), crs="EPSG:4326", transform=from_origin(10 * col, 50, 0.5, 0.5))
    build = "COPY (FROM geo_catalog_build('{0}/*.tif') ORDER BY path) TO '{0}/{1}.parquet' (FORMAT parquet, GEOPARQUET_VERSION '{1}')"
    for version in ("V2", "BOTH"):
        con.execute(build.format(tmp_path, version))
    got = geopandas.read_parquet(tmp_path / "V2.parquet", bbox=(12, 44, 31, 46))
    assert [Path(path).stem for path in got["path"]] == ["1", "2", "3"] and len(geopandas.read_parquet(tmp_path / "V2.parquet")) == 8
    with pytest.raises(ValueError, match="bbox"):
        geopandas.read_parquet(tmp_path / "BOTH.parquet", bbox=(12, 44, 31, 46))


def test_vectors_and_stac(tmp_path, monkeypatch, con):
    monkeypatch.chdir(tmp_path)
    labels, means, layer, points, polygons = statements("Vectors and STAC")
    transform = from_origin(500000, 4600000, 10, 10)
    fields = geopandas.GeoDataFrame({"id": [1, 2], "class": [3, 5]}, crs="EPSG:32629",
                                    geometry=[shapely.box(500003, 4599703, 500101, 4599951), shapely.Point(500300, 4599800).buffer(120)])
    fields.to_file("fields.gpkg")
    Path("items").mkdir()
    for name, clouds in (("clear", 10), ("cloudy", 80)):
        write_raster(f"items/{name}.tif", np.ones((60, 50), "uint8"), transform=transform)
        item = {"type": "Feature", "stac_version": "1.1.0", "id": name, "links": [], "bbox": [-9, 41, -8, 42],
                "geometry": shapely.geometry.mapping(shapely.box(-9, 41, -8, 42)),
                "properties": {"datetime": "2024-05-01T00:00:00Z", "eo:cloud_cover": clouds, "proj:code": "EPSG:32629",
                               "proj:shape": [60, 50], "proj:transform": list(transform)},
                "assets": {"visual": {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff"}}}
        Path(f"items/{name}.json").write_text(json.dumps(item))
    (path, got), = con.execute(labels).fetchall()
    want = features.rasterize(zip(fields.geometry, fields["class"]), (60, 50), transform=transform)
    assert Path(path).name == "clear.tif" and set(np.unique(want)) == {0, 3, 5}
    np.testing.assert_array_equal(np.reshape(got["data"], (60, 50)), want)

    rng = np.random.default_rng(8)
    write_raster("ndvi.tif", rng.random((60, 50)).astype("float32"), transform=transform)
    fields.to_crs("OGC:CRS84").to_parquet("fields.parquet")
    want = exact_extract("ndvi.tif", fields, ["mean", "count"], output="pandas")
    for (_, got), (_, row) in zip(sorted(con.execute(means).fetchall()), want.iterrows()):
        assert (got["mean"], got["count"]) == pytest.approx((row["mean"], row["count"]), rel=1e-5)

    got = con.execute(means.replace("'fields.parquet'", "'fields.gpkg'").replace("SELECT id,", "SELECT id, fid,").replace("geometry, {", "geometry, {crs: 'EPSG:32629', ")).fetchall()
    for (_, fid, got), (_, row) in zip(got, want.iterrows()):
        assert (got["mean"], got["count"]) == pytest.approx((row["mean"], row["count"]), rel=1e-5) and fid >= 1
    con.execute(layer)
    con.execute(points)
    assert geopandas.read_parquet("copy.parquet")[["id", "class", "geometry"]].equals(fields)
    assert geopandas.read_parquet("points.parquet").crs.to_epsg() == 32629

    mask = (np.add.outer(np.arange(512), np.arange(512)) // 90 % 2).astype("uint8")
    write_raster("mask.tif", mask, transform=transform)
    con.execute(polygons)
    got = [row[0] for row in con.fetchall()]
    want = [(shapely.geometry.shape(shape), value) for shape, value in features.shapes(mask, transform=transform)]
    want = geopandas.GeoDataFrame({"value": [value for _, value in want]}, geometry=[shape for shape, _ in want], crs="EPSG:32629").to_crs("OGC:CRS84")
    assert len(got) == len(want)
    for value in (0, 1):
        shapes = [shapely.from_wkb(p["geometry"]) for p in got if p["value"] == value]
        assert sum(shape.area for shape in shapes) == pytest.approx(want[want.value == value].area.sum(), rel=1e-9)


def test_onto_one_grid(tmp_path, monkeypatch, con):
    monkeypatch.chdir(tmp_path)
    read, = statements("Onto one grid")
    rng = np.random.default_rng(4)
    want = np.full((4, 200, 200), np.nan)
    for date in ("20230531", "20230610", "20230620", "20230701"):
        data = rng.integers(1, 5000, (5, 200, 200)).astype("uint16")
        data[4] = rng.choice([0, 1 << 3, 1 << 10, 3 << 10], (200, 200))
        write_raster(f"s2_{date}.tif", data, transform=from_origin(500000, 4000000, 10, 10), descriptions=["B02", "B03", "B04", "B08", "QA60"])
        clear = (data[4] & (3 << 10)) == 0
        if date.startswith("202306"):
            want[:, clear] = data[:4][:, clear]
    con.execute("COPY (FROM geo_catalog_build('s2_*.tif', filename_regex := '(?P<date>\\d{8})')) TO 'catalog.parquet'")
    (got,), = con.execute(read).fetchall()
    np.testing.assert_array_equal(np.array(got["data"], float).reshape(got["shape"]), want)


def test_remote_files(tmp_path, con):
    """The Python of the section, on a server and a file system of this machine."""
    code = re.search(r"```python\n(.*?)```", SECTIONS["Remote files"], re.S).group(1)
    write_raster(tmp_path / "scene.tif", np.ones((10, 10), "uint8"))
    shutil.copytree(ROOT / "test/data/small/ocean.zarr", tmp_path / "sst.zarr")
    memory = fsspec.filesystem("memory")
    memory.pipe("/readme/scene.tif", (tmp_path / "scene.tif").read_bytes())
    con.register_filesystem(memory)
    server = RangeServer(tmp_path)
    urls = code.replace("https://example.com/", server.url("")).replace("s3://bucket/2024/", "memory://readme/")
    found = []
    exec(re.sub(r'(con.execute\("FROM .*)', r"found.append(\1.df())", urls), {"con": con, "found": found})
    server.close()
    (scene, zarr), (copied,) = (list(frame.itertuples()) for frame in found)
    assert (scene.kind, zarr.kind, zarr.time_var) == ("raster", "array", "time")
    assert copied.path.startswith("memory://") and copied.bbox == scene.bbox


def test_arrays(tmp_path, monkeypatch, con):
    monkeypatch.chdir(ROOT)
    variables, by_value, by_index, stream, nearest = statements("Arrays")
    temp = xr.open_zarr("test/data/small/ocean.zarr")["temp"]
    assert ("temp", list(temp.dims)) in [(row[1], row[2]) for row in con.execute(variables).fetchall()]
    (got,), = con.execute(by_value).fetchall()
    want = temp.sel(time="2020-02", depth=slice(None), lat=slice(0, 20)).sel(depth=10, method="nearest")
    np.testing.assert_array_equal(np.array(got["data"], float).reshape(got["shape"]), want.squeeze())
    (got,), = con.execute(by_index).fetchall()
    np.testing.assert_array_equal(np.array(got, float), temp.isel(time=-1, depth=0).values.ravel())
    rows = con.execute(f"SELECT data, shape FROM ({stream})").fetchall()
    assert len(rows) == temp.sizes["time"]
    i, j = np.mgrid[:40, :50]
    curved = xr.Dataset({"lon": (("y", "x"), -12 + j * 0.1 + i * 0.03), "lat": (("y", "x"), 38 + i * 0.1 - j * 0.02)})
    curved.to_netcdf(tmp_path / "roms.nc")
    away = (curved.lat - 40) ** 2 + ((curved.lon + 9) * np.cos(np.radians(40))) ** 2
    assert con.execute(nearest.replace("roms.nc", str(tmp_path / "roms.nc"))).fetchone() == np.unravel_index(int(away.argmin()), away.shape)
    for (data, shape), month in zip(rows, temp.sel(depth=5)):
        np.testing.assert_array_equal(np.array(data, float).reshape(shape), month)


def test_the_tables_of_functions_and_settings_are_whole(con):
    named = " ".join(re.findall(r"^\| (`.*?) \|", SECTIONS["Functions"], re.M))
    inner = {"catalog_pairs", "geo_block", "geo_query_area", "geo_box_levels", "geo_box_cells", "geo_catalog_check", "geo_catalog_problems",
             "geo_footprint_windows", "geo_footprint_room", "geo_footprint_places", "geo_balance", "geo_row_number", "geo_row_shares"}
    functions = {name.removeprefix("geoquilt.") for name, in con.execute("SELECT name FROM geoquilt_functions()").fetchall()}
    assert {name for name in functions - inner if not re.search(rf"\b{name}\b", named)} == set()
    settings = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", SECTIONS["Settings"], re.M))
    for name, value in con.execute("SELECT s.name, s.value FROM (SELECT unnest(settings) AS s FROM geoquilt_version())").fetchall():
        shown = settings.pop(name)
        # A bound that follows memory_limit shows what it is at most.
        assert shown.split(", or ")[0] in (str(value), "the machine's"), name
    assert settings == {}
