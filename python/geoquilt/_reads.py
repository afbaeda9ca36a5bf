"""What is read of a row: the functions of SQL, by the columns that hold their arguments, with the same options."""
from __future__ import annotations

import dataclasses
from typing import Any, Mapping


@dataclasses.dataclass(frozen=True)
class Read:
    """A read of each row; :func:`read_patch` and the others make one."""

    function: str
    columns: Mapping[str, str]
    options: Mapping[str, Any]
    dtype: str | None
    mask: bool

    def spec(self, name: str) -> dict[str, Any]:
        """As the C interface takes it."""
        return {
            "name": name, "function": self.function, "columns": dict(self.columns), "options": {key: _plain(value) for key, value in self.options.items()},
            "dtype": self.dtype or "", "mask": self.mask,
        }


def _plain(value: Any) -> Any:
    """A value of JSON: NaN has none there, a tuple or an array is a list, and a time or a geometry is text."""
    if isinstance(value, float) and value != value:
        return "nan"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat(" ") if hasattr(value, "hour") else value.isoformat()
    if hasattr(value, "wkt"):
        return value.wkt
    raise TypeError(f"an option cannot be a {type(value).__name__}: give a number, text, a list or a dict")


def _columns(**named: str) -> dict[str, str]:
    """The columns that have other names than the reads look for."""
    return {role: column for role, column in named.items() if column != role}


def _dtype(dtype: Any) -> str | None:
    return None if dtype is None else dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", str(dtype))


def read_patch(path: str = "path", win: str = "win", *, dtype: Any = "float32", mask: bool = False, **options: Any) -> Read:
    """Native pixels of a window of a raster: ``[row of the batch, band, row, col]``.

    ``path`` and ``win`` name columns, as a registry has them. Options are those of SQL's ``read_patch``: ``bands``, ``scaled``, ``nodata``, ``fill``,
    ``boundless``, ``within``, ``within_crs``, ``all_touched``. ``dtype`` is ``float32``, ``float64``, the pixels' own, or None for that. Where there is
    no pixel stands ``fill``, or else NaN; a whole-number type wants ``fill`` or ``mask=True``, which adds ``NAME_mask``, True where there is a pixel.
    """
    return Read("read_patch", _columns(path=path, win=win), options, _dtype(dtype), mask)


def read_slice(paths: str = "paths", slice: str = "slice", *, mask: bool = False, **options: Any) -> Read:
    """Rasters brought onto the grid of a slice and merged: float32 ``[row of the batch, band, row, col]``. Options are those of SQL's ``read_slice``."""
    return Read("read_slice", _columns(paths=paths, slice=slice), options, None, mask)


def read_series(paths: str = "paths", times: str = "times", slice: str = "slice", *, mask: bool = False, **options: Any) -> Read:
    """Slices of several times: float32 ``[row of the batch, time, band, row, col]``. Options are those of SQL's ``read_series``."""
    return Read("read_series", _columns(paths=paths, times=times, slice=slice), options, None, mask)


def read_array(
    paths: str = "paths", variable: str | None = None, *, sel: Any = None, isel: Any = None, slice: Any = None, dtype: Any = "float32", mask: bool = False,
    **options: Any,
) -> Read:
    """A hyperslab of an array file: ``[row of the batch, ...]``, the dimensions that stay.

    ``variable`` is the variable's name; without it each row has its own, in a column ``variable``. ``sel``, ``isel`` and ``slice`` are a selection for all
    rows (a dict) or the name of a column that holds each row's. Options are those of SQL's ``read_array``.
    """
    columns = _columns(paths=paths)
    for name, value in (("sel", sel), ("isel", isel), ("slice", slice)):
        if isinstance(value, str):
            columns |= _columns(**{name: value})
        elif value is not None:
            options[name] = value
    if variable is not None:
        options["variable"] = variable
    return Read("read_array", columns, options, _dtype(dtype), mask)


def rasterize(features: str = "features", slice: str = "slice", *, dtype: Any = "int64", **options: Any) -> Read:
    """Vector labels drawn on the grid of a slice: ``[row of the batch, row, col]``. Options are those of SQL's ``geo_rasterize``."""
    return Read("rasterize", _columns(features=features, slice=slice), options, _dtype(dtype), False)
