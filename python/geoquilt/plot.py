"""Pictures of what SQL says: where patches lie, how they are split, what they hold. One call each, on a relation, a table, a path of Parquet or a batch.

They draw with matplotlib, an extra of the package (``pip install "geoquilt[plot]"``), and give the axes they drew on, to go on with. ``ax=`` takes your own.
``land=`` is the ground beneath a map: a read whose pixels above 0.5 are land, such as ``con.sql("FROM read_patch('land.tif', size := [180, 360])")``.
"""
from __future__ import annotations

from typing import Any, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import _draw
from ._batches import Batch
from ._library import Error

__all__ = ["calendar", "coverage", "field", "grid", "patches", "queries", "sample", "samplers", "seams", "split"]


def grid(rows: Any, *, land: Any = None, ax: Any = None, title: str | None = None) -> Any:
    """Candidates of ``geo_patch_grid``: the ground and the centre of each that is kept or forced and, with ``include_rejected := true``, of those that are not."""
    table = _draw.columns("plot.grid", rows, ["bbox"], ["status", "crs"], "geo_patch_grid")
    crs, places = _draw.one_crs("plot.grid", table), _draw.boxes("plot.grid", table)
    status = _draw.texts(table, "status") if "status" in table.column_names else np.full(len(table), "kept", object)
    _, (ax,) = _draw.panels(1, 1, 9, 5, ax)
    style = _draw.faint(places)
    # Those that are left out lie beneath.
    for name, colour in _draw.colour_of([name for name in _draw.STATUS if (status == name).any()], _draw.STATUS).items():
        these = places[status == name]
        _draw.add_boxes(ax, these, name, facecolor="none" if name == "rejected" else colour, edgecolor=colour, **style)
        _draw.add_centres(ax, these, name, "x" if name == "rejected" else "o", colour)
    _draw.lay_out(ax, places, crs, land)
    _draw.key(ax, 3)
    _draw.heading(ax, title or f"{len(table):,} {'candidates' if (status != 'kept').any() else 'patches'}")
    return ax


def split(rows: Any, *, by: str = "split", land: Any = None, ax: Any = None, title: str | None = None) -> Any:
    """Places of ``geoquilt.patch_registry`` by their split, with the buffers between them; ``by="fold"`` by their fold.

    A place is drawn once, however many dates it has. One that is in several splits, which time keeps apart, is told as such.
    """
    table = _draw.columns("plot.split", rows, ["patch_id", "bbox", by.lower()], ["crs"], "geoquilt.patch_registry")
    crs, places, parts = _draw.one_crs("plot.split", table), _draw.boxes("plot.split", table), _draw.texts(table, by.lower())
    found: dict[Any, tuple[int, set[str]]] = {}
    for at, (patch, part) in enumerate(zip(table.column("patch_id").to_pylist(), parts)):
        found.setdefault(patch, (at, set()))[1].add(part or f"no {by}")
    first = np.array([at for at, _ in found.values()])
    names = np.array([next(iter(inside)) if len(inside) == 1 else f"in several: {', '.join(sorted(inside))}" for _, inside in found.values()], object)
    _, (ax,) = _draw.panels(1, 1, 9, 5, ax)
    order = sorted(set(names), key=lambda name: (list(_draw.SPLITS).index(name) if name in _draw.SPLITS else 9, len(name), name))
    style = _draw.faint(places[first])
    for name, colour in _draw.colour_of(order, _draw.SPLITS).items():
        these, aside = places[first[names == name]], name in ("buffer", "rejected")
        # Those in no split would hide the ground of the others.
        if not aside:
            _draw.add_boxes(ax, these, name, facecolor=colour, edgecolor=colour, **style)
        _draw.add_centres(ax, these, name, "x" if aside else "o", colour)
    _draw.lay_out(ax, places, crs, land)
    _draw.key(ax, 4)
    _draw.heading(ax, title or f"{len(found):,} places of {len(table):,} rows, by {by}")
    return ax


def calendar(rows: Any, *, ax: Any = None, title: str | None = None) -> Any:
    """Months of a registry: how many rows each has, and which share of them is of which split. Years without a row are left out."""
    table = _draw.columns("plot.calendar", rows, ["date"], ["split"], "geoquilt.patch_registry")
    dates = table.column("date")
    parts = _draw.texts(table, "split") if "split" in table.column_names else np.full(len(table), "rows", object)
    undated = dates.null_count
    months = pa.table({"year": pc.year(dates), "month": pc.month(dates), "split": pa.array(parts, pa.string())}).filter(pc.is_valid(dates))
    if not len(months):
        raise Error("plot.calendar(rows): no row has a date")
    counts: dict[tuple[int, int], dict[str, int]] = {}
    for row in months.group_by(["year", "month", "split"]).aggregate([([], "count_all")]).to_pylist():
        counts.setdefault((row["year"], row["month"]), {})[row["split"] or "no split"] = row["count_all"]
    years = sorted({year for year, _ in counts})
    names = sorted({name for inside in counts.values() for name in inside}, key=lambda name: (list(_draw.SPLITS).index(name) if name in _draw.SPLITS else 9, name))
    colour = _draw.colour_of(names, _draw.SPLITS)
    _, (ax,) = _draw.panels(1, 1, 9, 0.55 * len(years) + 1.6, ax)
    from matplotlib.patches import Rectangle

    for (year, month), inside in counts.items():
        at, left, total = years.index(year), month - 0.46, sum(inside.values())
        for name in names:
            width = 0.92 * inside.get(name, 0) / total
            if width:
                ax.add_patch(Rectangle((left, at - 0.42), width, 0.84, color=colour[name], lw=0, gid=f"{year}-{month:02d} {name} {inside[name]}"))
            left += width
        ax.text(month, at, f"{total:,}", ha="center", va="center", fontsize=8.5, color="white", weight="bold", gid=f"{year}-{month:02d}")
    ax.set(xlim=(0.4, 12.6), ylim=(len(years) - 0.5, -0.5))
    ax.set_xticks(range(1, 13), ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
    ax.set_yticks(range(len(years)), years)
    ax.tick_params(length=0, labelsize=9, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    keys = [Rectangle((0, 0), 1, 1, color=colour[name], label=f"{sum(inside.get(name, 0) for inside in counts.values()):,} {name}") for name in names]
    ax.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, -0.02), ncols=5, frameon=False, fontsize=9)
    _draw.heading(ax, title or f"{len(months):,} rows by month" + (f"; {undated:,} more are undated" if undated else ""))
    return ax


def samplers(rows: Any, *, by: str = "sampler", land: Any = None, ax: Any = None) -> np.ndarray:
    """Where samplers put patches, side by side: ``{"random": rows, "poisson_disk": rows}``, or rows with a column that names theirs."""
    if isinstance(rows, Mapping) and not isinstance(rows, Batch):
        found = {str(name): _draw.columns("plot.samplers", these, ["bbox"], ["crs"], "geo_patch_grid") for name, these in rows.items()}
        if not found:
            raise Error("plot.samplers(rows): there are no rows")
    else:
        table = _draw.columns("plot.samplers", rows, ["bbox", by.lower()], ["crs"], "geo_patch_grid")
        named = _draw.texts(table, by.lower())
        found = {str(name): table.filter(pa.array(named == name)) for name in dict.fromkeys(named)}
    places = {name: _draw.boxes("plot.samplers", table) for name, table in found.items()}
    together = np.concatenate(list(places.values()))
    crs = _draw.one_crs("plot.samplers", pa.concat_tables([table.select(["crs"]) for table in found.values() if "crs" in table.column_names]) if any(
        "crs" in table.column_names for table in found.values()) else next(iter(found.values())))
    _, axes = _draw.panels(len(places), 2, 6, 3.4, ax)
    for one, (name, these) in zip(axes, places.items()):
        _draw.add_boxes(one, these, name, facecolor=_draw.STATUS["kept"], edgecolor=_draw.STATUS["kept"], alpha=0.25, lw=0.6)
        _draw.add_centres(one, these, name, ".", _draw.INK, 2.5)
        _draw.lay_out(one, together, crs, land)
        _draw.heading(one, f"{name}: {len(these):,} patches")
    return axes


def queries(drawn: Any, lattice: Any = None, *, land: Any = None, ax: Any = None) -> np.ndarray:
    """Queries of ``geo_train_queries``, coloured by their day, beside the lattice of ``geo_eval_queries``, each of whose boxes is drawn once."""
    given = [("drawn", drawn, "geo_train_queries")] + ([] if lattice is None else [("lattice", lattice, "geo_eval_queries")])
    tables = {name: _draw.columns("plot.queries", rows, ["bbox", "t_min"], made_by=made_by) for name, rows, made_by in given}
    places = {name: _draw.boxes("plot.queries", table) for name, table in tables.items()}
    together = np.concatenate(list(places.values()))
    figure, axes = _draw.panels(len(tables), 2, 6, 3.6, ax)
    for one, (name, table) in zip(axes, tables.items()):
        days = table.column("t_min").cast(pa.timestamp("us")).to_numpy().astype("datetime64[D]")
        dates = len(np.unique(days))
        if name == "drawn":
            boxes = _draw.add_boxes(one, places[name], name, facecolors=_shades(days, places[name]), edgecolor=_draw.INK, alpha=0.45, lw=0.5)
            _draw.heading(one, f"{len(table):,} queries, drawn", f"on {dates:,} days from {days.min()} to {days.max()}, the later the lighter")
        else:
            alike = np.unique(places[name], axis=0)
            boxes = _draw.add_boxes(one, alike, name, facecolor=_draw.STATUS["kept"], edgecolor=_draw.STATUS["kept"], alpha=0.2, lw=0.8)
            _draw.heading(one, f"{len(table):,} queries of a lattice", f"{len(alike):,} boxes on {dates:,} days from {days.min()} to {days.max()}")
        boxes.set_zorder(2)
        _draw.lay_out(one, together, "OGC:CRS84", land)
    return axes


def _shades(days: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A colour a box by its day, in the order in which boxes are drawn."""
    first, last = days.min(), days.max()
    share = (days - first) / max(last - first, np.timedelta64(1, "D"))
    across = places[:, 0] > places[:, 2]
    return _draw.pyplot().get_cmap("plasma")(np.concatenate([share[~across], share[across], share[across]]))


def coverage(rows: Any, *, land: Any = None, cmap: str = "viridis", ax: Any = None) -> np.ndarray:
    """Files in each cell of ``geoquilt.catalog_coverage``, a map a period, in one scale of colours."""
    table = _draw.columns("plot.coverage", rows, ["bbox", "period", "n"], made_by="geoquilt.catalog_coverage")
    places, periods = _draw.boxes("plot.coverage", table), np.array([str(value or "undated") for value in table.column("period").to_pylist()], object)
    counts, kinds = table.column("n").to_numpy().astype(float), sorted(set(periods))
    if len(kinds) > 24:
        raise Error(f"plot.coverage(rows): {len(kinds)} periods are too many maps for one picture, which has at most 24\nChoose some: WHERE period >= DATE '2020-01-01', or every := 'year'")
    limits = (0.0, max(1.0, counts.max()))
    figure, axes = _draw.panels(len(kinds), 3, 5, 2.9, ax)
    for one, period in zip(axes, kinds):
        cells = _draw.add_boxes(one, places[periods == period], period, cmap=cmap, lw=0, alpha=None if land is None else 0.75)
        cells.set_array(counts[periods == period])
        cells.set_clim(*limits)
        _draw.lay_out(one, places, _draw.geometry_crs(rows), land)
        _draw.heading(one, period)
    figure.colorbar(cells, ax=list(axes), label="files", shrink=0.7, aspect=30)
    return axes


def patches(rows: Any, *, n: int = 24, name: str = "data", bands: Any = 1, across: int = 6, limits: tuple[float, float] | None = None, cmap: str = "viridis", ax: Any = None) -> np.ndarray:
    """A sheet of the first ``n`` patches: rows of ``FROM read_patch(...)``, or a batch, in one scale of colours. ``bands=[3, 2, 1]`` are red, green and blue."""
    if isinstance(rows, Batch):
        tensor = _tensor("plot.patches", rows, name)
        images, told = [image.reshape(-1, *image.shape[-2:]) for image in tensor[:n]], rows.rows.slice(0, n)
    else:
        rows = rows.limit(n) if hasattr(rows, "limit") else rows
        told = _draw.columns("plot.patches", rows, [name.lower(), "shape"], _TOLD, "FROM read_patch(...)").slice(0, n)
        images = [_draw.pixels({"data": row[name.lower()], "shape": row["shape"]})[0] for row in told.select([name.lower(), "shape"]).to_pylist() if row[name.lower()] is not None]
        told = told.filter(pc.is_valid(told.column(name.lower())))
    if not images:
        raise Error("plot.patches(rows): there are no pixels")
    chosen = _draw.check_bands("plot.patches", bands, min(len(image) for image in images))
    limits = limits or _draw.span(np.concatenate([image[[band - 1 for band in chosen]].ravel() for image in images]))
    figure, axes = _draw.panels(len(images), across, 1.9, 2.25, ax)
    for one, image, row in zip(axes, images, told.select([column for column in told.column_names if column.lower() in _TOLD]).to_pylist()):
        drawn = _draw.show(one, image, chosen, limits, cmap)
        _name(one, row)
    if len(chosen) == 1:
        figure.colorbar(drawn, ax=list(axes), location="bottom", shrink=0.5, aspect=50)
    return axes


#: Columns that stand over a patch.
_TOLD = ["patch_id", "date", "split", "force_region"]


def _name(ax: Any, row: Mapping[str, Any]) -> None:
    """A patch's number, and what is known of it."""
    row = {key.lower(): value for key, value in row.items()}
    date = row.get("date")
    words = [str(word) for word in (date.date() if hasattr(date, "hour") else date, row.get("split"), row.get("force_region")) if word is not None]
    ax.set_title(f"#{row['patch_id']}" if row.get("patch_id") is not None else "", loc="left", fontsize=8.5, weight="bold", color=_draw.INK, pad=13)
    ax.text(0, 1.02, " ".join(words), transform=ax.transAxes, fontsize=7.5, color=_draw.SOFT, va="bottom")


def _tensor(function: str, batch: Batch, name: str) -> np.ndarray:
    if name not in batch.tensors:
        raise Error(f'{function}(name): "{name}" is none of the batch\'s tensors, {", ".join(batch.tensors)}')
    if batch.tensors[name].ndim < 3:
        raise Error(f'{function}(name): "{name}" has shape {list(batch.tensors[name].shape)}, which is no batch of images')
    return batch.tensors[name]


def sample(batch: Batch, *, n: int = 4, bands: Mapping[str, Any] | None = None, steps: int = 3, cmap: str = "viridis", ax: Any = None) -> np.ndarray:
    """A sheet of training samples: a line for each of the first ``n`` rows of a batch, a column for each read; of a series, ``steps`` of its times.

    Whole numbers, as ``rasterize`` and masks give them, are drawn as classes. ``bands={"x": [3, 2, 1]}`` are red, green and blue.
    """
    if not isinstance(batch, Batch):
        raise Error(f"plot.sample(batch): a {type(batch).__name__} is no batch\nGive one of geoquilt.batches(...)")
    views: list[tuple[str, str, np.ndarray]] = []
    for name, tensor in batch.tensors.items():
        if tensor.ndim == 5:
            at = np.unique(np.linspace(0, tensor.shape[1] - 1, min(steps, tensor.shape[1])).round().astype(int))
            views += [(name, f"{name}, step {step + 1} of {tensor.shape[1]}", tensor[:, step]) for step in at]
        elif tensor.ndim in (3, 4):
            views.append((name, name, tensor if tensor.ndim == 4 else tensor[:, None]))
    rows = min(n, len(batch.row))
    if not views or not rows:
        raise Error("plot.sample(batch): there are no images in it")
    figure, axes = _draw.panels(rows * len(views), len(views), 2.3, 2.5, ax)
    sheet = axes.reshape(rows, len(views))
    for column, (name, title, tensor) in enumerate(views):
        chosen = _draw.check_bands("plot.sample", (bands or {}).get(name, 1), tensor.shape[1])
        classes = tensor.dtype.kind in "biu"
        limits = _draw.span(batch.tensors[name].astype(float) if classes else batch.tensors[name])
        for row in range(rows):
            _draw.show(sheet[row, column], tensor[row].astype(float) if classes else tensor[row], chosen, limits, "tab20" if classes else cmap)
            if not row:
                _draw.heading(sheet[0, column], title)
    for row in range(rows):
        sheet[row, 0].set_ylabel(f"row {batch.row[row]}", fontsize=8.5, color=_draw.SOFT)
    return sheet


def field(read: Any, *, bands: Any = 1, limits: tuple[float, float] | None = None, cmap: str = "viridis", ax: Any = None, title: str | None = None) -> Any:
    """One field where it lies: a row of ``read_patch``, ``read_slice``, ``read_array`` or ``geoquilt.stitch``, as :func:`geoquilt.to_xarray` takes it."""
    image, extent, crs = _draw.pixels(read)
    chosen = _draw.check_bands("plot.field", bands, len(image))
    figure, (ax,) = _draw.panels(1, 1, 8, 4.6, ax)
    drawn = _draw.show(ax, image, chosen, limits or _draw.span(image[[band - 1 for band in chosen]]), cmap, extent)
    if extent is not None:
        left, right, bottom, top = extent
        _draw.lay_out(ax, np.array([[min(left, right), min(bottom, top), max(left, right), max(bottom, top)]]), crs or "")
    if len(chosen) == 1:
        figure.colorbar(drawn, ax=ax, shrink=0.8, aspect=30)
    if title:
        _draw.heading(ax, title)
    return ax


def seams(fields: Mapping[str, Any], stride: int | tuple[int, int], *, window: tuple[slice, slice] | None = None, limits: tuple[float, float] | None = None,
          cmap: str = "RdBu_r", ax: Any = None) -> np.ndarray:
    """Fields of ``geoquilt.stitch`` beside each other, such as ``{"boxcar": ..., "hann": ...}``, and how much more each steps where patches begin than elsewhere.

    ``stride`` is that of the patches, rows and columns. ``window`` is the part that is shown; the figure is of the whole field (:func:`seam_ratio`).
    """
    if not fields:
        raise Error("plot.seams(fields): there are no fields")
    images = {name: _draw.pixels(read, "plot.seams(fields)")[0][0].astype(float) for name, read in fields.items()}
    ratios = {name: seam_ratio(image, stride) for name, image in images.items()}
    part = window or (slice(None), slice(None))
    limits = limits or _draw.span(np.concatenate([image[part].ravel() for image in images.values()]))
    figure, axes = _draw.panels(len(images), 3, 4.6, 3.4, ax)
    for one, (name, image) in zip(axes, images.items()):
        drawn = _draw.show(one, image[None][(slice(None), *part)], [1], limits, cmap)
        _draw.heading(one, str(name), f"where patches begin it steps {ratios[name]:.2f} times as far as elsewhere")
    figure.colorbar(drawn, ax=list(axes), location="bottom", shrink=0.5, aspect=50)
    return axes


def seam_ratio(field: np.ndarray, stride: int | tuple[int, int]) -> float:
    """The mean difference of neighbours where patches begin, in that of all others: 1 where no seam shows."""
    strides = (stride, stride) if np.ndim(stride) == 0 else tuple(stride)
    there, elsewhere = [], []
    for axis, step in enumerate(strides):
        differences = np.moveaxis(abs(np.diff(np.asarray(field, float), axis=axis)), axis, 0)
        begins = np.arange(1, field.shape[axis]) % step == 0
        there.append(differences[begins].ravel())
        elsewhere.append(differences[~begins].ravel())
    there, elsewhere = (np.concatenate(parts) for parts in (there, elsewhere))
    there, elsewhere = there[np.isfinite(there)], elsewhere[np.isfinite(elsewhere)]
    if not there.size or not elsewhere.size:
        raise Error(f'plot.seams(stride): "{stride}" leaves no pixel where patches begin, or none elsewhere, in a field of {list(field.shape)}')
    # Where nothing steps at all there is no seam.
    return float(there.mean() / elsewhere.mean()) if elsewhere.any() else float("inf") if there.any() else 1.0
