"""geoquilt.to_xarray and to_geopandas: what SQL read, as rioxarray and geopandas see it."""
import geoquilt
import geopandas
import numpy as np
import pytest
import rioxarray
import xarray as xr
from conftest import ROOT

SMALL = ROOT / "test/data/small"
SST = str(SMALL / "sst_20180101.tif")


def test_a_patch_lies_where_rioxarray_has_it(con):
    patch = geoquilt.to_xarray(con.sql(f"FROM read_patch('{SST}', size := 6, fill := 'nan') LIMIT 1 OFFSET 2"))
    with rioxarray.open_rasterio(SST, masked=True) as whole:
        same = whole.sel(x=patch.x, y=patch.y, method="nearest")
        np.testing.assert_array_equal(patch.values, same.values)
        np.testing.assert_allclose(patch.x, same.x)
        np.testing.assert_allclose(patch.y, same.y)
        assert patch.dims == ("band", "y", "x") and patch.rio.crs == whole.rio.crs
        assert patch.rio.transform().almost_equals(patch.rio.transform(recalc=True))


def test_a_slice_and_a_series_have_their_crs_and_times(con):
    place = "geo_slice({xmin: 400000, ymin: 4000000, xmax: 600000, ymax: 4200000}, 50000, 'EPSG:32629')"
    one = geoquilt.to_xarray(con.sql(f"SELECT read_slice('{SST}', {place}) AS r"))
    assert one.shape == (1, 4, 4) and one.rio.crs.to_epsg() == 32629 and one.rio.bounds() == (400000, 4000000, 600000, 4200000)
    other = str(SMALL / "sst_20190101.tif")
    row = con.sql(f"SELECT read_series(['{SST}', '{other}'], [TIMESTAMP '2018-01-01', TIMESTAMP '2019-01-01'], {place}) AS r").fetchall()[0][0]
    two = geoquilt.to_xarray(row)
    assert two.dims == ("time", "band", "y", "x") and two.time.dt.year.values.tolist() == [2018, 2019]
    np.testing.assert_array_equal(two[0], one)


def test_an_array_is_xarrays_own(con):
    path = SMALL / "ocean.zarr"
    ours = geoquilt.to_xarray(con.sql(f"SELECT read_array('{path}', 'temp') AS r"))
    theirs = xr.open_zarr(path)["temp"].astype("float32")
    assert ours.dims == theirs.dims
    np.testing.assert_array_equal(ours, theirs)
    for name in ("depth", "lat", "lon", "time"):
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int16", "int32"])
def test_pixels_keep_their_type_and_are_nan_where_there_is_none(con, raster, kind):
    data = np.arange(12).reshape(3, 4).astype(kind)
    whole = geoquilt.to_xarray(con.sql(f"FROM read_patch('{raster('whole.tif', data)}', size := [3, 4])"))
    assert whole.dtype == kind
    np.testing.assert_array_equal(whole[0], data)
    holed = geoquilt.to_xarray(con.sql(f"FROM read_patch('{raster('holed.tif', data, nodata=5)}', size := [3, 4])"))
    assert holed.dtype == {"uint8": "float32", "int16": "float32", "int32": "float64"}.get(kind, kind)
    np.testing.assert_array_equal(holed[0], np.where(data == 5, np.nan, data))


def test_what_is_no_read_is_told(con):
    for said, read in (("more than one row", con.sql(f"FROM read_patch('{SST}', size := 6)")), ("no row", con.sql("SELECT [1] AS data LIMIT 0")),
                       ("there is no data", con.sql("SELECT 1 AS x")), ("is no read", 3)):
        with pytest.raises((ValueError, TypeError), match=said):
            geoquilt.to_xarray(read)


def test_geometries_are_geopandas_own_in_the_crs_of_their_type(con):
    catalog = geoquilt.to_geopandas(con.sql(f"FROM geo_catalog_build('{SMALL}/sst*.tif', crs := 'EPSG:3857')"))
    assert isinstance(catalog, geopandas.GeoDataFrame) and catalog.crs.to_epsg() == 3857 and len(catalog) == 3
    features = geoquilt.to_geopandas(con.sql(f"FROM read_features('{SMALL}/regions.geojson')"))
    theirs = geopandas.read_file(SMALL / "regions.geojson")
    assert features.geometry.geom_equals(theirs.geometry).all() and features.crs.to_authority() in (("OGC", "CRS84"), ("EPSG", "4326"))
    bare = geoquilt.to_geopandas(con.sql("SELECT 'POINT (1 2)'::GEOMETRY AS g, 7 AS n UNION ALL SELECT NULL, 8 ORDER BY n"))
    assert bare.crs is None and bare.geometry.iloc[0].wkt == "POINT (1 2)" and bare.geometry.isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="no column of type GEOMETRY among x INTEGER"):
        geoquilt.to_geopandas(con.sql("SELECT 1 AS x"))
