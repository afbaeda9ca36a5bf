"""What pictures share: rows into columns and boxes, boxes onto a map, pixels into an image."""
from __future__ import annotations

import json
from typing import Any, Iterable, Mapping

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ._batches import Batch, _table
from ._convert import _array, _row
from ._library import Error

INK, SOFT, LINE, SEA, LAND = "#1f2d3a", "#5c6b78", "#c5ced6", "#f3f7fa", "#d9d5cc"
STATUS = {"rejected": "#6f685f", "kept": "#2f7fb5", "forced": "#d1495b"}
SPLITS = {"train": "#2f7fb5", "val": "#e07b00", "test": "#d1495b", "buffer": "#6d7780", "rejected": "#b9b2a6"}
OTHERS = ["#00857c", "#8f5fbf", "#a05a2c", "#c2418c", "#5b8c2a", "#3b5bdb", "#b08900", "#0b7285", "#9c36b5", "#495057"]
#: Names of CRSs whose axes are told as longitudes and latitudes, beside those that say so themselves.
DEGREES = {"OGC:CRS84", "EPSG:4326", "EPSG:4979", "OGC:CRS84H"}


def pyplot() -> Any:
    """matplotlib's, or what to do without it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('geoquilt.plot draws with matplotlib, which cannot be imported here\npip install "geoquilt[plot]"') from error
    return plt


def columns(function: str, rows: Any, wanted: Iterable[str], optional: Iterable[str] = (), made_by: str = "") -> pa.Table:
    """Columns of rows, by their names in lower case: those that are wanted, and those of the others that there are."""
    wanted, optional = list(wanted), list(optional)
    if isinstance(rows, Batch):
        rows = rows.rows
    relation = isinstance(rows, duckdb.DuckDBPyRelation)
    found = rows if relation else _table(rows, function)
    names = {name.lower(): name for name in (found.columns if relation else found.column_names)}
    missing = [name for name in wanted if name not in names]
    if missing:
        there = ", ".join(names.values())
        raise Error(f'{function}(rows): there is no column "{missing[0]}" among {there}' + (f"\nGive rows of {made_by}" if made_by else ""))
    taken = [name for name in dict.fromkeys([*wanted, *optional]) if name in names]
    if relation:
        quoted = ('"' + names[name].replace('"', '""') + '"' for name in taken)
        table = _table(found.project(", ".join(quoted)), function)
    else:
        table = found.select([names[name] for name in taken])
    table = table.rename_columns(taken)
    if not len(table):
        raise Error(f"{function}(rows): there are no rows")
    return table


def boxes(function: str, table: pa.Table) -> np.ndarray:
    """The boxes of rows: xmin, ymin, xmax, ymax."""
    column = table.column("bbox").combine_chunks()
    if column.null_count:
        raise Error(f"{function}(rows): {column.null_count} of {len(column)} rows have no bbox")
    return np.stack([pc.struct_field(column, side).to_numpy(zero_copy_only=False) for side in ("xmin", "ymin", "xmax", "ymax")], axis=1).astype(float)


def texts(table: pa.Table, name: str) -> np.ndarray:
    """A column as text."""
    return np.array([None if value is None else str(value) for value in table.column(name).to_pylist()], object)


def one_crs(function: str, table: pa.Table) -> str:
    """The CRS that all rows have; without one, degrees."""
    if "crs" not in table.column_names:
        return "OGC:CRS84"
    found = sorted({str(name) for name in table.column("crs").unique().to_pylist()})
    if len(found) > 1:
        raise Error(f"{function}(rows): the rows are in {len(found)} CRSs, {', '.join(name[:40] for name in found[:4])}\nDraw those of one: WHERE crs = '{found[0][:40]}'")
    return found[0]


def geometry_crs(rows: Any) -> str:
    """The CRS that the type of a relation's column ``geometry`` carries; empty where none is known."""
    if not isinstance(rows, duckdb.DuckDBPyRelation):
        return ""
    kinds = [str(kind) for name, kind in zip(rows.columns, rows.types) if name.lower() == "geometry"]
    return kinds[0].partition("(")[2][:-1].strip("'\"") if kinds else ""


def add_boxes(ax: Any, these: np.ndarray, name: str, **style: Any) -> Any:
    """Boxes as one collection whose gid is their name; one across the antimeridian is drawn on both sides."""
    from matplotlib.collections import PolyCollection

    across = these[:, 0] > these[:, 2]
    west, east = these[across].copy(), these[across].copy()
    west[:, 2], east[:, 0] = 180, -180
    drawn = np.concatenate([these[~across], west, east])
    corners = drawn[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    collection = PolyCollection(corners, **style)
    collection.set_gid(name)
    ax.add_collection(collection)
    return collection


def faint(these: np.ndarray) -> dict[str, Any]:
    """How boxes are filled so that the ground is seen through as many as lie over each other, and their edges where those are few."""
    x0, y0, x1, y1 = these.T
    across = np.where(x0 > x1, x1 + 360, x1)
    extent = max((across.max() - x0.min()) * (y1.max() - y0.min()), 1e-300)
    layers = max(1.0, float(((across - x0) * (y1 - y0)).sum() / extent))
    return {"alpha": max(0.22 / layers, 0.03), "lw": 0.5 if layers < 3 else 0}


def add_centres(ax: Any, these: np.ndarray, name: str, marker: str, colour: str, size: float = 3.5) -> None:
    """The middles of boxes, which the key tells by their name and number."""
    x0, y0, x1, y1 = these.T
    x = np.where(x0 > x1, (x0 + x1 + 360) / 2, (x0 + x1) / 2)
    x = np.where((x0 > x1) & (x > 180), x - 360, x)
    ax.plot(x, (y0 + y1) / 2, marker, ms=size, color=colour, gid=f"{name} centres", label=f"{len(these):,} {name}")


def key(ax: Any, across: int) -> None:
    """The key, below."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=across, frameon=False, fontsize=9, markerscale=1.8)


def lay_out(ax: Any, these: np.ndarray, crs: str, land: Any = None) -> None:
    """Limits, axes and the ground of a map that shows boxes."""
    across = (these[:, 0] > these[:, 2]).any()
    west, east = (-180.0, 180.0) if across else (these[:, 0].min(), these[:, 2].max())
    south, north = these[:, 1].min(), these[:, 3].max()
    ax.set_facecolor(SEA)
    if land is not None:
        image, extent, _ = pixels(land, "plot(land)")
        from matplotlib.colors import ListedColormap

        drawn = ax.imshow(np.nan_to_num(image[0]) > 0.5, cmap=ListedColormap([SEA, LAND]), vmin=0, vmax=1, extent=extent, interpolation="none", zorder=0)
        drawn.set_gid("land")
    margin = 0.02 * max(east - west, north - south)
    ax.set(xlim=(west - margin, east + margin), ylim=(south - margin, north + margin), aspect="equal")
    ax.tick_params(length=0, labelcolor=SOFT, labelsize=8)
    for side in ax.spines.values():
        side.set_edgecolor(LINE)
    known = crs_name(crs)
    if known == "degrees":
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 3, 6, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 3, 6, 10]))
        ax.xaxis.set_major_formatter(lambda x, _: f"{abs((x + 180) % 360 - 180 if abs(x) > 180 else x):g}°{'W' if x < 0 else 'E' if x > 0 else ''}")
        ax.yaxis.set_major_formatter(lambda y, _: f"{abs(y):g}°{'S' if y < 0 else 'N' if y > 0 else ''}")
    else:
        ax.set_xlabel(known, fontsize=8, color=SOFT)


def crs_name(crs: str) -> str:
    """What a map's axes are in: ``degrees``, or a CRS's name or code."""
    if crs in DEGREES or crs.lstrip().upper().startswith(("GEOGCRS", "GEOGCS")):
        return "degrees"
    if crs.lstrip().startswith("{"):
        whole = json.loads(crs)
        if whole.get("type") in ("GeographicCRS", "DerivedGeographicCRS"):
            return "degrees"
        return "{authority}:{code}".format(**whole["id"]) if "id" in whole else whole.get("name", "")
    # WKT begins with its kind, and the name stands in quotes.
    return crs.split('"')[1] if len(crs) > 40 and '"' in crs else crs


def heading(ax: Any, text: str, below: str | None = None) -> None:
    """The title of one picture, and a line of smaller print."""
    ax.set_title(text, loc="left", fontsize=10.5, weight="bold", color=INK, pad=18 if below else 7)
    if below:
        ax.text(0, 1.01, below, transform=ax.transAxes, fontsize=8.5, color=SOFT, va="bottom")


def panels(count: int, across: int, width: float = 4.6, height: float = 3.2, ax: Any = None) -> tuple[Any, np.ndarray]:
    """A figure of so many axes, those beyond them taken away; or the axes that are given."""
    if ax is not None:
        given = np.atleast_1d(np.asarray(ax, object)).ravel()
        if len(given) < count:
            raise ValueError(f"ax: {count} axes are drawn, and {len(given)} were given")
        return given[0].figure, given[:count]
    across = min(across, count)
    down = -(-count // across)
    figure, axes = pyplot().subplots(down, across, figsize=(width * across, height * down), squeeze=False, layout="constrained")
    for spare in axes.ravel()[count:]:
        spare.remove()
    return figure, axes.ravel()[:count]


def pixels(read: Any, parameter: str = "plot.field(read)") -> tuple[np.ndarray, tuple[float, ...] | None, str | None]:
    """The bands of a read, their extent as matplotlib wants it, and their CRS."""
    read = {"data": read, "shape": read.shape} if isinstance(read, np.ndarray) else _row(read, parameter)
    values = _array(read)
    values = values.astype(float) if values.dtype == object else values
    if values.ndim < 2:
        raise Error(f"{parameter}: a read of {values.ndim} dimension is no image\nGive a read with its shape, as read_patch (table), read_slice and geoquilt.stitch have it")
    bands = values.reshape(-1, *values.shape[-2:])
    transform = read.get("transform")
    extent = None
    if transform and not (transform[2] or transform[4]):
        x0, dx, _, y0, _, dy = transform
        extent = (x0, x0 + dx * bands.shape[2], y0 + dy * bands.shape[1], y0)
    return bands, extent, read.get("crs")


def span(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest finite number, which differ."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low, low + 1)


def colours(image: np.ndarray, numbers: list[int], limits: tuple[float, float]) -> np.ndarray:
    """Three bands, by their numbers from 1, as red, green and blue; what is no pixel is grey."""
    low, high = limits
    chosen = np.moveaxis(image[[number - 1 for number in numbers]], 0, -1).astype(float)
    shown = np.clip((chosen - low) / (high - low), 0, 1)
    shown[~np.isfinite(chosen).all(axis=-1)] = [int(LAND[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return shown


def show(ax: Any, image: np.ndarray, bands: list[int], limits: tuple[float, float], cmap: str, extent: Any = None) -> Any:
    """One image of [band, row, col]: a band in a scale of colours, or three as red, green and blue."""
    if len(bands) == 3:
        drawn = ax.imshow(colours(image, bands, limits), extent=extent, interpolation="none")
    else:
        shades = pyplot().get_cmap(cmap).with_extremes(bad=LAND)
        drawn = ax.imshow(image[bands[0] - 1], cmap=shades, vmin=limits[0], vmax=limits[1], extent=extent, interpolation="none")
    if extent is None:
        ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_edgecolor(LINE)
    return drawn


def check_bands(function: str, bands: Any, there: int) -> list[int]:
    """Numbers of bands, from 1: one, or three."""
    chosen = [int(band) for band in np.atleast_1d(bands)]
    if len(chosen) not in (1, 3) or not all(1 <= band <= there for band in chosen):
        raise Error(f"{function}(bands): {chosen} is neither one nor three of the bands 1 to {there}")
    return chosen


def colour_of(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """A colour for each name, in their order."""
    spare = iter(OTHERS * 50)
    return {name: known[name] if name in known else next(spare) for name in names}
