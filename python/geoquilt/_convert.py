"""What SQL read, as xarray and geopandas have it."""
from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa


def _row(read: Any, told: str = "to_xarray(read)") -> dict[str, Any]:
    """One read as a dict; errors begin with what they are told of."""
    if isinstance(read, duckdb.DuckDBPyRelation):
        table = read.limit(2).to_arrow_table()
        table = table if hasattr(table, "to_pylist") else table.read_all()
        if len(table) != 1:
            raise ValueError(f"{told}: {'no row' if not len(table) else 'more than one row'}: give the relation of one read, such as con.sql(...).limit(1)")
        read = {name: _plain(table.column(name)[0], name) for name in table.column_names}
    if not isinstance(read, dict):
        raise TypeError(f"{told}: a {type(read).__name__} is no read: give a relation of one row, or the dict that read_slice, read_series or read_array gave")
    if "data" not in read:
        inside = [value for value in read.values() if isinstance(value, dict) and "data" in value]
        if len(inside) != 1:
            raise ValueError(f"{told}: there is no data among {', '.join(map(str, read))}")
        read = inside[0]
    return read


def _plain(value: pa.Scalar, name: str) -> Any:
    """A value as Python has it, but for pixels, which stay together in the type that they have."""
    if isinstance(value, pa.StructScalar) and value.is_valid:
        return {inner: _plain(value[inner], inner) for inner in value}
    if name != "data" or not isinstance(value, (pa.ListScalar, pa.LargeListScalar, pa.FixedSizeListScalar)) or not value.is_valid:
        return value.as_py()
    pixels = value.values
    if not (pa.types.is_integer(pixels.type) or pa.types.is_floating(pixels.type)):
        return value.as_py()
    if pixels.null_count and pa.types.is_integer(pixels.type):
        pixels = pixels.cast(pa.float32() if pixels.type.bit_width <= 16 else pa.float64())
    # A NULL comes out as NaN.
    return pixels.to_numpy(zero_copy_only=False)


def _array(read: dict[str, Any]) -> np.ndarray:
    """The pixels of a read in its shape, NaN where there is none."""
    values = read["data"]
    shape = [int(side) for side in read.get("shape") or [len(values)]]
    if isinstance(values, np.ndarray):
        return values.reshape(shape)
    return np.array([np.nan if value is None else value for value in values], np.float32 if read.get("dims") or None in values else None).reshape(shape)


def to_xarray(read: Any) -> Any:
    """A read of SQL as an ``xarray.DataArray``: its dimensions, coordinates, and the CRS as rioxarray sees it.

    ``read`` is one row of ``read_patch``, ``read_slice``, ``read_series`` or ``read_array``: a relation of it, or the dict that a scalar gave.
    """
    import xarray as xr

    read = _row(read)
    array = _array(read)
    shape = list(array.shape)
    times = read.get("times")
    dims = list(read["dims"]) if read.get("dims") else (["time"] if len(shape) == 4 else []) + ["band", "y", "x"][-min(len(shape), 3):]
    coords: dict[str, Any] = {}
    if "coords" in read:
        found = read["coords"] or {}
        for name, numbers in found.items() if isinstance(found, dict) else found:
            coords[name] = (name, numbers) if name in dims else numbers[0] if len(numbers) == 1 else ((f"{name}_all",), numbers)
    if times is not None and "time" in dims:
        coords["time"] = ("time", np.array(times, "datetime64[us]"))
    if read.get("transform") and {"x", "y"} <= set(dims):
        x0, dx, rx, y0, ry, dy = read["transform"]
        if rx == ry == 0:
            coords["x"] = ("x", x0 + (np.arange(shape[dims.index("x")]) + 0.5) * dx)
            coords["y"] = ("y", y0 + (np.arange(shape[dims.index("y")]) + 0.5) * dy)
    if "band" in dims:
        coords["band"] = ("band", np.arange(1, shape[dims.index("band")] + 1))
    found = xr.DataArray(array, dims=dims, coords=coords)
    if read.get("crs"):
        attributes = {"crs_wkt": _wkt(read["crs"])}
        if read.get("transform"):
            attributes["GeoTransform"] = " ".join(map(repr, read["transform"]))
        found = found.assign_coords(spatial_ref=xr.Variable((), 0, attributes))
        found.encoding["grid_mapping"] = "spatial_ref"
    return found


def _wkt(crs: str) -> str:
    try:
        from pyproj import CRS
    except ImportError:
        return crs
    return CRS.from_user_input(crs).to_wkt()


def to_geopandas(relation: Any) -> Any:
    """A relation with a column of geometries as a ``geopandas.GeoDataFrame``, in the CRS that the column's type carries."""
    import geopandas as gpd
    import shapely

    types = dict(zip(relation.columns, map(str, relation.types)))
    found = [name for name, kind in types.items() if kind.upper().startswith("GEOMETRY")]
    if not found:
        raise ValueError(f"to_geopandas(relation): there is no column of type GEOMETRY among {', '.join(f'{n} {k}' for n, k in types.items())}")
    quoted = lambda name: '"' + name.replace('"', '""') + '"'  # noqa: E731
    asked = ", ".join(f"ST_AsWKB({quoted(name)}) AS {quoted(name)}" if name in found else quoted(name) for name in relation.columns)
    frame = relation.project(asked).df()
    for name in found:
        kind = types[name]
        crs = kind[kind.index("(") + 1 : -1].strip("'\"") if "(" in kind else None
        if crs and crs.startswith("{"):
            crs = json.loads(crs)
        shapes = shapely.from_wkb([bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else None for value in frame[name]])
        frame[name] = gpd.GeoSeries(shapes, crs=crs, index=frame.index)
    return gpd.GeoDataFrame(frame, geometry=found[0])
