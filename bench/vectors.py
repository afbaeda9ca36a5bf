"""Row v of the benchmark: statistics under polygons and labels on patches, beside rasterio and exactextract."""
import geopandas
import numpy as np
import rasterio
import shapely
from exactextract import exact_extract
from rasterio import features
from rasterio.transform import from_bounds

from common import connect, write_raster

STATS = ["count", "mean", "min", "max"]


def zones(n, seed=1):
    """Discs of 0.3 to 4 degrees all over the globe."""
    rng = np.random.default_rng(seed)
    centres = zip(rng.uniform(-170, 170, n), rng.uniform(-80, 80, n), rng.uniform(0.3, 4, n))
    return [shapely.Point(x, y).buffer(r, quad_segs=16) for x, y, r in centres]


def by_rasterio(path, shapes):
    rows = []
    with rasterio.open(path) as src:
        for shape in shapes:
            window = features.geometry_window(src, [shape])
            pixels = src.read(1, window=window, masked=True)
            inside = features.geometry_mask([shape], pixels.shape, src.window_transform(window), invert=True)
            values = pixels[inside].compressed()
            rows.append((len(values), values.mean(dtype=np.float64), values.min(), values.max()) if len(values) else (0, np.nan, np.nan, np.nan))
    return np.array(rows, float)


def vectors(table, work, quick):
    path = write_raster(work / "zonal.tif", nodata=-9999.0)
    shapes = zones(200 if quick else 2000)
    frame = geopandas.GeoDataFrame({"class": np.arange(len(shapes)) % 7 + 1}, geometry=shapes, crs="EPSG:4326")
    con = connect()
    con.execute("CREATE TABLE zones AS SELECT ST_GeomFromWKB(unnest(?::BLOB[])) AS zone", [[shape.wkb for shape in shapes]])

    def ours(coverage):
        query = f"SELECT unnest(geo_zonal_stats('{path}', zone, {{coverage: '{coverage}', stats: {STATS}}})) FROM zones"
        return con.execute(query).df()[STATS].to_numpy(float)

    def exact():
        return exact_extract(path, frame, STATS, output="pandas")[STATS].to_numpy(float)

    a, b = ours("center"), by_rasterio(path, shapes)
    assert np.allclose(a, b, rtol=1e-9, equal_nan=True)
    name = f"{len(shapes):,} discs over 3600 x 1800"
    table.race(f"v  {name}, pixel centres: rasterio window by window | geo_zonal_stats", lambda: by_rasterio(path, shapes), lambda: ours("center"), None, "count, mean, min, max to 1e-9")
    a, b = ours("exact"), exact()
    assert np.allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)
    table.race(f"v  {name}, exact coverage: exactextract | geo_zonal_stats", exact, lambda: ours("exact"), None, "count, mean, min, max to 1e-6")
    labels(table, work, con, frame, quick)


def labels(table, work, con, frame, quick):
    """Labels of patches of 128 x 128 of a tenth of a degree, as a data loader makes them."""
    path = work / "labels.gpkg"
    frame.to_file(path)
    rng = np.random.default_rng(2)
    places = list(zip(rng.uniform(-170, 150, 50 if quick else 500), rng.uniform(-80, 60, 50 if quick else 500)))
    con.execute("CREATE OR REPLACE TABLE places AS SELECT unnest(?) AS x, unnest(?) AS y", [[p[0] for p in places], [p[1] for p in places]])
    query = f"SELECT geo_rasterize('{path}', geo_slice({{xmin: x, ymin: y, xmax: x + 12.8, ymax: y + 12.8}}, 0.1, 'OGC:CRS84'), {{label_field: 'class'}}).data AS d FROM places"

    def ours():
        return con.execute(query).to_arrow_table()["d"].combine_chunks().flatten().to_numpy().reshape(-1, 128, 128)

    def theirs():
        made = []
        for x, y in places:
            part = geopandas.read_file(path, bbox=(x, y, x + 12.8, y + 12.8)).sort_index()
            pairs = list(zip(part.geometry, part["class"]))
            made.append(features.rasterize(pairs, (128, 128), transform=from_bounds(x, y, x + 12.8, y + 12.8, 128, 128), dtype="int32") if pairs else np.zeros((128, 128), "int32"))
        return np.stack(made)

    got, want = ours(), theirs()
    # geopandas gives the features of a box in the index's order: where two overlap, either may be drawn last.
    assert ((got > 0) == (want > 0)).all() and (got == want).mean() > 0.9
    table.race(f"v  labels of {len(places)} patches of 128 x 128 from a GeoPackage: geopandas + rasterio | geo_rasterize", theirs, ours, None, "drawn pixels")
