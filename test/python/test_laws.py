"""Laws that hold for every raster, grid and geometry: what is drawn comes from strategies.py."""
import numpy as np
import rasterio
import shapely
from conftest import parse_spec
from hypothesis import given
from strategies import geometries, law, specs, splits


def cut(con, source, size, stride, edge, columns):
    return con.execute(f"SELECT {columns} FROM {source}, size := {size}, stride := {stride}, edge := '{edge}')").fetchall()


def test_patches_of_a_raster_hold_each_of_its_pixels_and_nothing_else(con, spec_raster):
    """read(split(raster)) is the raster: a pixel is the same in every patch that holds it, and none is left out."""
    made = {}

    @law(120)
    @given(splits())
    def holds(split):
        height, width, size, stride, edge = split
        if (height, width) not in made:
            made[height, width] = spec_raster(f"{height}x{width} int16 EPSG:32632 10 strip=4 | count | count+2000", f"{height}x{width}.tif")
        whole = np.arange(height * width).reshape(height, width) + np.array([0, 2000])[:, None, None]
        seen = np.zeros((height, width), bool)
        for win, data, shape in cut(con, f"read_patch('{made[height, width]}'", size, stride, edge, "win, data, shape"):
            assert shape == [2, *size] == [2, win["height"], win["width"]]
            rows, cols = win["row_off"] + np.arange(size[0]), win["col_off"] + np.arange(size[1])
            inside = ((rows >= 0) & (rows < height))[:, None] & ((cols >= 0) & (cols < width))[None, :]
            patch = np.array([np.nan if value is None else value for value in data]).reshape(shape)
            expected = whole[:, rows.clip(0, height - 1)[:, None], cols.clip(0, width - 1)[None, :]]
            np.testing.assert_array_equal(patch, np.where(inside, expected, np.nan))
            seen[rows[rows.clip(0, height - 1) == rows][:, None], cols[cols.clip(0, width - 1) == cols][None, :]] = True
        assert seen.all()

    holds()


def test_ids_and_windows_are_a_bijection_and_the_same_in_the_grid_and_in_the_reads(con, spec_raster):
    """The id is the window's place among all, row by row: each tells the other."""
    made = {}

    @law(120)
    @given(splits())
    def holds(split):
        height, width, size, stride, edge = split
        if (height, width) not in made:
            made[height, width] = spec_raster(f"{height}x{width} uint8 EPSG:32632 10 | count", f"{height}x{width}.tif")
        path = made[height, width]
        grid, read = (cut(con, f"{function}('{path}'", size, stride, edge, "patch_id, win") for function in ("geo_patch_grid", "read_patch"))
        assert sorted(grid, key=lambda row: row[0]) == sorted(read, key=lambda row: row[0])
        corners = {number: (win["row_off"], win["col_off"]) for number, win in grid}
        assert sorted(corners) == list(range(len(grid)))
        assert [corners[number] for number in sorted(corners)] == sorted(set(corners.values()))
        assert len({row for row, _ in corners.values()}) * len({col for _, col in corners.values()}) == len(grid)

    holds()


def test_a_line_is_the_same_raster_to_rasterio_and_to_read_patch(con, spec_raster):
    numbers = iter(range(1 << 30))

    @law(60)
    @given(specs())
    def holds(spec):
        said, path = parse_spec(spec), spec_raster(spec, f"{next(numbers)}.tif")
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), said.data)
            assert (file.crs.to_string(), file.transform, file.nodata) == (said.crs, said.transform, said.nodata)
            assert file.block_shapes[0][0] == said.strip
        [(data, shape)] = con.execute(f"SELECT data, shape FROM read_patch('{path}', size := {list(said.data.shape[1:])})").fetchall()
        expected = [None if value == said.nodata else value for value in said.data.ravel().tolist()]
        assert (data, shape) == (expected, list(said.data.shape))

    holds()


def test_a_geometry_comes_back_as_it_went_in(con):
    """Written and read as WKB: its box is Shapely's to the last bit, and a projection into its own CRS changes nothing."""

    @law(300)
    @given(geometries())
    def holds(shape):
        table = con.execute(
            "SELECT geo_bbox(g) AS box, geo_project(g, 'OGC:CRS84', 'EPSG:4326') AS same FROM (SELECT ST_GeomFromWKB($1) AS g)",
            [shapely.to_wkb(shape)]).fetchall()
        [(box, same)] = table
        assert (box["xmin"], box["ymin"], box["xmax"], box["ymax"]) == shape.bounds
        # A multipolygon of one part is a polygon, and a rectangle has its four corners, whatever points lie between them.
        one = shape.geoms[0] if shape.geom_type == "MultiPolygon" and len(shape.geoms) == 1 else shape
        same = shapely.from_wkb(bytes(same))
        assert same == one or one.is_valid and one.equals(one.envelope) and one.equals(same)

    holds()
