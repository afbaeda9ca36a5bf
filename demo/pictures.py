"""Draws what demo.sql made, into demo/out/: world.png, the grid on the globe; patches.png, patches to look at; samplers.png,
where each sampler draws; split.png, a split with its buffers; calendar.png, the registry's months; seams.png, a field that was
stitched of patches with each taper.

    python demo/pictures.py [path of geoquilt.duckdb_extension]

Run it in the repository's root: the registry holds the paths as demo.sql gave them, relative to it.
"""

import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import rasterio
from matplotlib.collections import PatchCollection
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

DEMO = Path(__file__).resolve().parent
OUT = DEMO / "out"
# The package as it lies here, over the file that was built.
os.environ["GEOQUILT_EXTENSION"] = sys.argv[1] if len(sys.argv) > 1 else str(DEMO.parent / "build/release/geoquilt.duckdb_extension")
sys.path.insert(0, str(DEMO.parent / "python"))

import geoquilt  # noqa: E402
from geoquilt import plot  # noqa: E402

INK, SOFT, SEA, LAND, KEPT, REJECTED = "#1f2d3a", "#5c6b78", "#f3f7fa", "#d9d5cc", "#2f7fb5", "#b9b2a6"
# The boxes of geoquilt.ocean_regions(), which demo.sql takes: west, south, east, north.
REGIONS = {
    "mediterranean": ((-6, 30, 37, 46), "#d1495b"),
    "baltic": ((9, 53, 31, 66), "#8f5fbf"),
    "red_sea": ((32, 12, 44, 30), "#e07b00"),
    "hudson_bay": ((-96, 50, -74, 65), "#00857c"),
}
HALO = [withStroke(linewidth=3, foreground="white")]
plt.rcParams.update({"font.family": "DejaVu Sans", "text.color": INK, "axes.edgecolor": "#c5ced6"})


def degrees(lon, lat):
    return f"{abs(lat):.1f}°{'N' if lat >= 0 else 'S'} {abs(lon):.1f}°{'E' if lon >= 0 else 'W'}"


def box(bbox, **style):
    west, south, east, north = bbox.values() if isinstance(bbox, dict) else bbox
    return Rectangle((west, south), east - west, north - south, **style)


def world(db):
    grid = db.sql(f"FROM '{OUT}/grid.parquet'").df()
    with rasterio.open(OUT / "land_mask.tif") as raster:
        land = raster.read(1)
    rejected, kept, forced = (grid[grid.status == status] for status in ("rejected", "kept", "forced"))

    figure, ax = plt.subplots(figsize=(18, 10.6), layout="constrained")
    ax.imshow(land, cmap=ListedColormap([SEA, LAND]), extent=(-180, 180, -90, 90), interpolation="none")
    ax.plot(rejected.lon_center, rejected.lat_center, ".", ms=2.2, color=REJECTED)
    ax.plot(kept.lon_center, kept.lat_center, ".", ms=4, color=KEPT)
    # One true outline: 128 pixels are four steps of the grid, which dots alone would not tell.
    sample = kept.iloc[(kept.lon_center + 166).abs().add((kept.lat_center - 20).abs()).argmin()]
    ax.add_patch(box(sample.bbox, fill=False, ec=INK, lw=1.6))
    ax.annotate("one patch: 128 x 128 pixels,\n12.8° wide; the next one starts\n3.2° further, as the dots do",
                (sample.bbox["xmax"], sample.lat_center), (14, 0), textcoords="offset points", va="center",
                fontsize=11, bbox={"boxstyle": "round,pad=0.4", "fc": "white", "ec": "#c5ced6"})

    keys = [
        Line2D([], [], marker="o", ls="", ms=6, color=KEPT, label=f"{len(kept):,} kept: at most 30 % land"),
        Line2D([], [], marker="o", ls="", ms=4, color=REJECTED, label=f"{len(rejected):,} rejected"),
    ]
    for name, (edges, color) in REGIONS.items():
        inside = forced[forced.force_region == name]
        ax.add_collection(PatchCollection([box(b) for b in inside.bbox], facecolor=color, edgecolor="none", alpha=0.035))
        ax.add_patch(box(edges, fill=False, ec=color, lw=1.8))
        ax.plot(inside.lon_center, inside.lat_center, "o", ms=5, color=color, mec="white", mew=0.6)
        label = name.replace("_", " ").title()
        ax.annotate(label, (edges[0], edges[3]), (0, 4), textcoords="offset points", color=color, weight="bold",
                    fontsize=12, path_effects=HALO)
        keys.append(Line2D([], [], marker="s", ls="", ms=8, mfc="none", mec=color, mew=1.8,
                           label=f"{len(inside)} forced in {label}, {inside.land_fraction.max():.0%} land at most"))

    figure.legend(handles=keys, loc="outside lower center", ncols=3, fontsize=12.5, frameon=False, handletextpad=0.4, columnspacing=3)
    ax.set(xlim=(-180, 180), ylim=(-90, 90), xticks=range(-180, 181, 60), yticks=range(-90, 91, 30))
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):.0f}°{'W' if x < 0 else 'E' if x > 0 else ''}")
    ax.yaxis.set_major_formatter(lambda y, _: f"{abs(y):.0f}°{'S' if y < 0 else 'N' if y > 0 else ''}")
    ax.tick_params(length=0, labelcolor=SOFT)
    ax.set_title(f"{len(kept) + len(forced):,} patches of sea: the centres of a global grid", loc="left", fontsize=19, weight="bold", pad=12)
    figure.savefig(OUT / "world.png", dpi=110)
    print("world.png: the grid on the globe")


def patches(db, rows=5, cols=6):
    # Two patches of each forced sea, eight of OSTIA, fourteen coasts of NEMO: of those drawn (by a hash, the same in
    # every run) the ones with the largest range of temperature, one month of each and no two from the same waters.
    db.sql(f"""
        CREATE TABLE sheet AS
        WITH drawn AS (
            FROM '{OUT}/registry.parquet'
            WHERE source = 'ostia' OR force_region IS NOT NULL OR land_fraction > 0.03
            QUALIFY row_number() OVER (PARTITION BY patch_id ORDER BY hash(patch_id, date)) = 1
        ), apart AS (
            SELECT *, list_max(sst) - list_min(sst) AS range, if(force_region IS NULL, 25, 6) AS waters
            FROM (SELECT *, read_patch(path, win) AS sst FROM drawn)
            WHERE source = 'nemo' OR list_count(sst) > 10000
            QUALIFY row_number() OVER (
                PARTITION BY source, split, force_region, floor(lon_center / waters), floor(lat_center / waters) ORDER BY range DESC, patch_id) = 1
        )
        SELECT * EXCLUDE (sst, range, waters)
        FROM apart
        QUALIFY row_number() OVER (PARTITION BY source, split, force_region ORDER BY range DESC, patch_id)
             <= CASE WHEN source = 'ostia' THEN 4 WHEN force_region IS NULL THEN 14 ELSE 2 END
        ORDER BY force_region NULLS FIRST, source, split, lat_center DESC, patch_id LIMIT {rows * cols}
    """)
    # A registry may be a list of rows. With fill := 'nan' the lists are dense, and NumPy takes them as they are.
    db.sql("SET VARIABLE rows = (SELECT list(sheet) FROM sheet)")
    sheet = db.sql("FROM read_patch(getvariable('rows'), fill := 'nan')").df()

    figure, axes = plt.subplots(rows, cols, figsize=(15.6, 16), gridspec_kw={"hspace": 0.3, "wspace": 0.08})
    figure.subplots_adjust(left=0.015, right=0.985, top=0.915, bottom=0.085)
    colors = plt.get_cmap("plasma").with_extremes(bad=LAND)
    for ax, row in zip(axes.flat, sheet.itertuples()):
        sst = np.reshape(row.data, row.shape)[0]
        image = ax.imshow(sst, cmap=colors, vmin=-2, vmax=32, interpolation="none")
        ax.contour(sst, levels=np.arange(-2, 35), colors="white", linewidths=0.45, alpha=0.55)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"#{row.patch_id}  {degrees(row.lon_center, row.lat_center)}", fontsize=10.5, weight="bold", loc="left", pad=17)
        place = f" {row.force_region.replace('_', ' ')}" if isinstance(row.force_region, str) else ""
        color = REGIONS[row.force_region][1] if place else SOFT
        ax.text(0, 1.02, f"{row.date:%b %Y} {row.source.upper()} {row.split}{place}", transform=ax.transAxes, fontsize=9, color=color, va="bottom")
    bar = figure.colorbar(image, cax=figure.add_axes((0.25, 0.055, 0.5, 0.011)), orientation="horizontal")
    bar.set_label("sea surface temperature, °C; a line each degree; grey is land or beyond the data", fontsize=12)
    bar.outline.set_visible(False)
    figure.suptitle(f"{len(sheet)} patches of the registry", fontsize=19, weight="bold", x=0.015, y=0.975, ha="left")
    figure.savefig(OUT / "patches.png", dpi=100)
    print(f"patches.png: {len(sheet)} patches of sea surface temperature")


def ground():
    """The land mask at half its resolution, to lie beneath a map."""
    with rasterio.open(OUT / "land_mask.tif") as raster:
        land = raster.read(1)[::2, ::2]
    return {"data": land, "shape": land.shape, "transform": [-180, 0.2, 0, 90, 0, -0.2]}


def samplers(db):
    told = {
        "regular": "a stride apart, row by row",
        "jittered": "each moved by up to 0.4 of the stride",
        "random": "each place as likely as any other",
        "poisson_disk": "centres at least 500 km apart",
    }
    samples = {name: db.sql(f"FROM '{OUT}/samples.parquet' WHERE sampler = '{name}'") for name in told}
    figure, axes = plt.subplots(2, 2, figsize=(15, 8.6), layout="constrained")
    for ax, name in zip(plot.samplers(samples, land=ground(), ax=axes), told):
        ax.set_title(f"{name}: {len(samples[name]):,} patches, {told[name]}", loc="left", fontsize=12.5, weight="bold")
    figure.suptitle("Four samplers over one mask: patches of 64 x 64 pixels, at most 30 % land", fontsize=17, weight="bold", x=0.01, ha="left")
    figure.savefig(OUT / "samplers.png", dpi=80)
    print("samplers.png: where each sampler draws")


def split(db):
    figure, ax = plt.subplots(figsize=(15, 8.9), layout="constrained")
    plot.split(db.sql(f"FROM '{OUT}/split.parquet'"), land=ground(), ax=ax)
    ax.set_title("A split by place: blocks of 4000 km, and 200 km between splits", loc="left", fontsize=17, weight="bold")
    ax.set_xlabel("centres of patches, and the ground that they cover; a cross is a patch between two splits, in none of them", fontsize=11, color=SOFT)
    figure.savefig(OUT / "split.png", dpi=80)
    print("split.png: a split and its buffers")


def calendar(db):
    rows = db.sql(f"FROM '{OUT}/registry.parquet'")
    sources = db.sql("SELECT year(date), string_agg(DISTINCT upper(source), ', ' ORDER BY upper(source)) FROM rows GROUP BY ALL ORDER BY ALL").fetchall()
    figure, ax = plt.subplots(figsize=(11, 0.72 * len(sources) + 1.9), layout="constrained")
    plot.calendar(rows, ax=ax, title=f"The registry's calendar: patches of each month, {len(rows):,} rows")
    for at, (_, source) in enumerate(sources):
        ax.text(12.62, at, source, va="center", fontsize=11, color=SOFT)
    ax.set_xlim(0.4, 13.7)
    figure.savefig(OUT / "calendar.png", dpi=80)
    print("calendar.png: the registry's months")


def seams():
    """The North Atlantic, as each taper puts it together, and how much more the field steps where patches begin than elsewhere."""
    rows, cols = slice(340, 690), slice(1000, 1600)
    with rasterio.open(OUT / "sst/nemo_201501.tif") as raster:
        sst = raster.read(1, masked=True).filled(np.nan)
    figure, axes = plt.subplots(2, 3, figsize=(15.6, 8), gridspec_kw={"hspace": 0.24, "wspace": 0.04})
    figure.subplots_adjust(left=0.012, right=0.988, top=0.85, bottom=0.02)
    panels = [("the field", "sea surface temperature of January 2015", sst, "plasma", (-2, 32))]
    told = []
    for name in ("none", "boxcar", "tukey", "gaussian", "hann"):
        with rasterio.open(OUT / f"seams_{name}.tif") as raster:
            field = raster.read(1)
        steps = abs(np.diff(field[:1664], axis=1))
        begins = np.arange(1, field.shape[1]) % (128 if name == "none" else 64) == 0
        ratio = np.nanmean(steps[:, begins]) / np.nanmean(steps[:, ~begins])
        told.append(f"{name} {ratio:.1f}")
        title = "side by side" if name == "none" else f"half overlap, {name}"
        panels.append((title, f"where patches begin it steps {ratio:.1f} times as far as elsewhere", field, "RdBu_r", (-3, 3)))
    for ax, (title, below, field, colors, (low, high)) in zip(axes.flat, panels):
        colors = plt.get_cmap(colors).with_extremes(bad=LAND)
        ax.imshow(field[rows, cols], cmap=colors, vmin=low, vmax=high, interpolation="none")
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=11.5, weight="bold", loc="left", pad=18)
        ax.text(0, 1.02, below, transform=ax.transAxes, fontsize=9.5, color=SOFT, va="bottom")
    figure.suptitle("Patches through an operator that knows its patch alone, and back into one field", fontsize=17, weight="bold", x=0.012, y=0.965, ha="left")
    figure.text(0.012, 0.905, "COPY (SELECT geo_calc(data, shape, '(sst - centre) / spread', ...), win FROM read_patch(scene, size := 128, stride := 64)) "
                              "TO 'field.tif' (TEMPLATE scene, STITCH overlap_add, TAPER hann)", fontsize=8.5, family="DejaVu Sans Mono", color=SOFT)
    figure.savefig(OUT / "seams.png", dpi=80)
    print(f"seams.png: steps where patches begin, in those elsewhere: {', '.join(told)}")


if __name__ == "__main__":
    connection = geoquilt.connect()
    world(connection)
    patches(connection)
    samplers(connection)
    split(connection)
    calendar(connection)
    seams()
