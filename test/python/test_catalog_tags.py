"""Tags of a catalog's files, and times told by them, against rasterio, netCDF4, xarray, pyogrio and Python's datetime."""
import datetime as dt
import pathlib

import duckdb
import geopandas
import netCDF4
import numpy as np
import pyogrio
import pytest
import rasterio
import xarray as xr
from conftest import sql_list, write_raster

PIXELS = np.zeros((4, 4), "uint8")
CLASSES = """<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category>sea</Category><Category></Category><Category>bare &amp; rock</Category></CategoryNames></PAMRasterBand></PAMDataset>"""


def tagged(path, **tags):
    path = write_raster(path, PIXELS)
    with rasterio.open(path, "r+") as file:
        file.update_tags(**tags)
    return path


def tags(con, path, more=""):
    return con.execute(f"SELECT tags FROM geo_catalog_build({sql_list([path])}{more})").fetchone()[0]


def times(con, paths, more):
    return con.execute(f"SELECT t_min, t_max FROM geo_catalog_build({sql_list(paths)}, {more})").fetchall()


def error(con, paths, more):
    with pytest.raises(duckdb.Error) as raised:
        times(con, paths, more)
    return str(raised.value)


# ---------------------------------------------------------------- what a file says of itself

@pytest.mark.parametrize("driver,suffix", [("GTiff", "tif"), ("PNG", "png"), ("ENVI", "img"), ("HFA", "hfa.img")])
def test_tags_of_rasters_of_other_formats_equal_rasterios(con, tmp_path, driver, suffix):
    path = str(tmp_path / f"a.{suffix}")
    profile = dict(driver=driver, count=1, height=4, width=4, dtype="uint8", crs="EPSG:32629", transform=rasterio.transform.from_origin(5e5, 4.6e6, 10, 10))
    with rasterio.open(path, "w", **profile) as file:
        file.write(PIXELS, 1)
        file.update_tags(title="größe <&>", TIFFTAG_SOFTWARE="seeded")
    with rasterio.open(path) as file:
        assert file.tags()["title"] == "größe <&>"
        assert tags(con, path) == file.tags()


def test_tags_beside_the_file_are_rasterios_too(con, tmp_path):
    path = tagged(tmp_path / "a.tif", own="1", both="file")
    pathlib.Path(path + ".aux.xml").write_text("<PAMDataset><Metadata><MDI key='both'>beside</MDI><MDI key='more'>2</MDI></Metadata></PAMDataset>")
    with rasterio.open(path) as file:
        assert tags(con, path) == file.tags() == {"AREA_OR_POINT": "Area", "own": "1", "both": "beside", "more": "2"}


def test_names_of_classes_stand_beside_the_tags(con, tmp_path):
    path = write_raster(tmp_path / "a.tif", PIXELS)
    pathlib.Path(path + ".aux.xml").write_text(CLASSES)
    assert tags(con, path) == {"AREA_OR_POINT": "Area", "1.class.0": "sea", "1.class.2": "bare & rock"}
    flags = {"flag_values": np.array([0, 1, 4], "i1"), "flag_meanings": "clear cloud snow"}
    coordinates = {"lat": ("lat", [0.0, 1], {"units": "degrees_north"}), "lon": ("lon", [0.0, 1], {"units": "degrees_east"})}
    fields = {"quality": (("lat", "lon"), np.zeros((2, 2), "i1"), flags), "bits": (("lat", "lon"), np.zeros((2, 2), "i1"), {**flags, "flag_masks": np.array([1, 2, 4], "i1")})}
    xr.Dataset(fields, coordinates, {"title": "t"}).to_netcdf(tmp_path / "q.nc")
    got = tags(con, tmp_path / "q.nc")
    assert got == {"title": "t", "quality.class.0": "clear", "quality.class.1": "cloud", "quality.class.4": "snow"}
    assert tags(con, tmp_path / "q.nc", ", variables := 'bits'") == {"title": "t"}


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF4", "zarr"])
def test_global_attributes_equal_xarrays(con, tmp_path, format):
    attributes = {"Conventions": "CF-1.8", "title": "größe", "history": "a\nb", "version": 3, "factor": 0.1, "several": [1, 2, 3]}
    data = xr.Dataset({"v": (("lat", "lon"), np.zeros((2, 2)))}, {"lat": ("lat", [0.0, 1], {"units": "degrees_north"}), "lon": ("lon", [0.0, 1], {"units": "degrees_east"})}, attributes)
    if format == "zarr":
        path = tmp_path / "a.zarr"
        data.to_zarr(path, zarr_format=2)
        read = xr.open_zarr(path).attrs
    else:
        path = tmp_path / "a.nc"
        data.to_netcdf(path, format=format)
        read = xr.open_dataset(path).attrs
    text = lambda value: ", ".join(str(v) for v in value) if isinstance(value, (list, np.ndarray)) else str(value)
    assert tags(con, path) == {name: text(value) for name, value in read.items()}


def test_metadata_of_a_geopackage_equal_pyogrios(con, tmp_path):
    path = tmp_path / "a.gpkg"
    frame = geopandas.GeoDataFrame({"n": [1]}, geometry=geopandas.points_from_xy([3], [4]), crs=4326)
    pyogrio.write_dataframe(frame, path, dataset_metadata={"title": "t", "source": "größe"})
    assert tags(con, path) == pyogrio.read_info(path)["dataset_metadata"] == {"title": "t", "source": "größe"}


def test_a_file_without_tags_has_an_empty_map_and_a_broken_one_null(con, tmp_path):
    geopandas.GeoDataFrame(geometry=geopandas.points_from_xy([3], [4]), crs=4326).to_file(tmp_path / "a.geojson")
    (tmp_path / "b.tif").write_text("none")
    rows = con.execute(f"SELECT tags FROM geo_catalog_build('{tmp_path}/*', on_error := 'report')").fetchall()
    assert rows == [({},), (None,)]


def test_what_is_kept_of_many_and_long_tags_has_a_bound(con, tmp_path):
    many = {f"n{i:03}": str(i) for i in range(400)}
    path = tagged(tmp_path / "a.tif", long="ü" * 5000, **many)
    got = tags(con, path)
    with rasterio.open(path) as file:
        theirs = file.tags()
    assert len(theirs) == 402 and len(got) == 256
    assert list(got) == list(theirs)[:256]
    assert got["long"] == "ü" * 2048 + "…" and all(got[name] == theirs[name] for name in got if name != "long")
    # A time is looked for among all of them, however long.
    path = tagged(tmp_path / "b.tif", **many, when="2018-01-31")
    assert "when" not in tags(con, path)
    assert times(con, [path], "time_tag := 'when'") == [(dt.datetime(2018, 1, 31), dt.datetime(2018, 1, 31, 23, 59, 59, 999999))]


def test_tags_keep_in_geoparquet(con, tmp_path):
    paths = [tagged(tmp_path / f"{i}.tif", number=str(i)) for i in range(3)]
    con.execute(f"COPY (FROM geo_catalog_build('{tmp_path}/*.tif')) TO '{tmp_path}/c.parquet' (FORMAT parquet, GEOPARQUET_VERSION 'BOTH')")
    frame = geopandas.read_parquet(tmp_path / "c.parquet")
    assert list(frame["path"]) == paths
    assert [dict(pairs) for pairs in frame["tags"]] == [{"number": str(i), "AREA_OR_POINT": "Area"} for i in range(3)]
    assert frame["built_with"][0]["crs"] == "OGC:CRS84" and frame["built_with"][0]["densify"] == 21 and frame["built_with"][0]["layer"] is None


# ---------------------------------------------------------------- times from tags

def test_times_of_tags_equal_pythons(con, tmp_path):
    rng = np.random.default_rng(31)
    paths, expected = [], []
    for i in range(120):
        at = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(rng.integers(0, 2**51)))
        kind = i % 8
        zone = dt.timezone(dt.timedelta(minutes=15 * int(rng.integers(-40, 40))))
        whole = at.replace(microsecond=0)
        text, start, length = [
            (f"{whole:%Y:%m:%d %H:%M:%S}", whole, dt.timedelta(seconds=1)),
            (whole.isoformat() + "Z", whole, dt.timedelta(seconds=1)),
            (at.replace(microsecond=at.microsecond | 1).isoformat(), at.replace(microsecond=at.microsecond | 1), dt.timedelta(microseconds=1)),
            (whole.replace(tzinfo=zone).isoformat(), whole.replace(tzinfo=zone).astimezone(dt.timezone.utc).replace(tzinfo=None), dt.timedelta(seconds=1)),
            (f"{whole:%Y-%m-%d}", whole.replace(hour=0, minute=0, second=0), dt.timedelta(days=1)),
            (f"{whole:%Y-%m-%d %H:%M}", whole.replace(second=0), dt.timedelta(minutes=1)),
            (f"{whole:%Y%m%dT%H%M%SZ}", whole, dt.timedelta(seconds=1)),
            (f"{whole:%Y-%m-%d %H:%M:%S} UTC", whole, dt.timedelta(seconds=1)),
        ][kind]
        # TIFF's own tag holds EXIF's form alone.
        name = "TIFFTAG_DATETIME" if kind == 0 else "when"
        paths.append((name, tagged(tmp_path / f"{i}.tif", **{name: text})))
        expected.append((start, start + length - dt.timedelta(microseconds=1)))
    for tag in ("TIFFTAG_DATETIME", "when"):
        chosen = [i for i, (name, _) in enumerate(paths) if name == tag]
        assert times(con, [paths[i][1] for i in chosen], f"time_tag := '{tag}'") == [expected[i] for i in chosen]


def test_a_tag_that_is_missing_or_no_time_names_file_tag_and_value(con, tmp_path):
    good = tagged(tmp_path / "good.tif", TIFFTAG_DATETIME="2018:01:31 10:00:00")
    bare = write_raster(tmp_path / "bare.tif", PIXELS)
    assert error(con, [good, bare], "time_tag := 'TIFFTAG_DATETIME'").splitlines()[0].endswith(
        f'geo_catalog_build(time_tag): "{bare}" has no tag "TIFFTAG_DATETIME"')
    assert "One of: AREA_OR_POINT" in error(con, [bare], "time_tag := 'TIFFTAG_DATETIME'")
    for number, text in enumerate(["0000:00:00 00:00:00", "2018:02:30 00:00:00", "2018:01:31 25:00:00", "    :  :     :  :  "]):
        bad = tagged(tmp_path / f"bad{number}.tif", TIFFTAG_DATETIME=text)
        with rasterio.open(bad) as file:
            text = file.tags()["TIFFTAG_DATETIME"]
        assert f'geo_catalog_build(time_tag): the tag "TIFFTAG_DATETIME" of "{bad}" is "{text}", not a time such as' in error(con, [good, bad], "time_tag := 'TIFFTAG_DATETIME'")
    rows = con.execute(f"SELECT t_min, error FROM geo_catalog_build({sql_list([good, bare])}, time_tag := 'TIFFTAG_DATETIME', on_error := 'report')").fetchall()
    assert rows[0] == (dt.datetime(2018, 1, 31, 10), None) and rows[1][0] is None and "has no tag" in rows[1][1]
    geopandas.GeoDataFrame(geometry=geopandas.points_from_xy([3], [4]), crs=4326).to_file(tmp_path / "a.geojson")
    assert 'has no tag "when", nor any other' in error(con, [tmp_path / "a.geojson"], "time_tag := 'when'")


def test_a_time_in_the_name_goes_first_and_the_axis_last(con, tmp_path):
    path = tagged(tmp_path / "a_20200101.tif", when="2018-01-31")
    bare = write_raster(tmp_path / "b_20200101.tif", PIXELS)
    name, day = "filename_regex := '(?P<date>\\d{8})'", dt.timedelta(days=1) - dt.timedelta(microseconds=1)
    first = dt.datetime(2020, 1, 1)
    assert times(con, [path, bare], f"{name}, time_tag := 'when'") == [(first, first + day)] * 2
    undated = tagged(tmp_path / "undated.tif", when="2018-01-31")
    either = "filename_regex := '[a-z]+(_(?P<date>\\d{8}))?'"
    assert [start for start, _ in times(con, [path, undated], f"{either}, time_tag := 'when'")] == [first, dt.datetime(2018, 1, 31)]
    with netCDF4.Dataset(tmp_path / "c.nc", "w") as out:
        out.time_coverage_start = "2021-06-01T00:00:00Z"
        for axis, units in (("time", "no units at all"), ("lat", "degrees_north"), ("lon", "degrees_east")):
            out.createDimension(axis, 2)
            variable = out.createVariable(axis, "f8", (axis,))
            variable[:] = [0, 1]
            variable.units = units
        out["time"].standard_name = "time"
        out.createVariable("v", "f4", ("time", "lat", "lon"))[:] = 0
    start = dt.datetime(2021, 6, 1)
    assert times(con, [tmp_path / "c.nc"], "time_tag := 'time_coverage_start'") == [(start, start + dt.timedelta(microseconds=999999))]
