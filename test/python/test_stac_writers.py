"""read_stac against pystac, which writes and reads the items, and stac-geoparquet, which writes and reads them as tables."""
import datetime as dt
import json

import numpy as np
import pystac
import pytest
import shapely
import stac_geoparquet.arrow
from conftest import sql_list
from pystac.extensions.eo import Band, EOExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, RasterBand, RasterExtension

UTC = dt.timezone.utc
TYPES = [(pystac.MediaType.COG, "tif", "raster"), (pystac.MediaType.JPEG2000, "jp2", "raster"), (pystac.MediaType.GEOPACKAGE, "gpkg", "vector"),
         (pystac.MediaType.HDF5, "h5", "array"), (pystac.MediaType.TEXT, "txt", None), (None, "nc", "array")]


def make_item(rng, number):
    """One item of a random place and time, with projection, eo, raster and file extensions and common metadata."""
    west, south = float(rng.integers(-170, 160)), float(rng.integers(-80, 70))
    box = shapely.box(west, south, west + float(rng.integers(1, 10)), south + float(rng.integers(1, 10)))
    at = dt.datetime(2000, 1, 1, tzinfo=UTC) + dt.timedelta(seconds=int(rng.integers(0, 7 * 10**8)), microseconds=int(rng.integers(0, 10**6)))
    span = {"start_datetime": at, "end_datetime": at + dt.timedelta(hours=int(rng.integers(0, 500)))} if number % 3 == 0 else {}
    item = pystac.Item(f"item-{number}", shapely.geometry.mapping(box), list(box.bounds), None if span else at, {}, collection=f"c{number % 4}" if number % 2 else None, **span)
    item.common_metadata.platform, item.common_metadata.gsd = "p", 10.0
    item.common_metadata.updated = at + dt.timedelta(days=1)
    ProjectionExtension.ext(item, add_if_missing=True).apply(code=f"EPSG:{32601 + number % 60}", shape=[int(v) for v in rng.integers(1, 9000, 2)],
        transform=[10.0, 0.0, float(rng.integers(0, 10**6)), 0.0, -10.0, float(rng.integers(0, 10**7))])
    EOExtension.ext(item, add_if_missing=True).apply(cloud_cover=round(float(rng.uniform(0, 100)), 3))
    for key, (media, suffix, _) in enumerate(TYPES):
        asset = pystac.Asset([f"./a{key}.{suffix}", f"../x/a{key}.{suffix}", f"https://h.example/{number}/a{key}.{suffix}"][(number + key) % 3], media_type=media, title=f"t{key}", roles=["data"] if key < 4 else None)
        item.add_asset(f"k{key}", asset)
        if key % 2 == 0:
            FileExtension.ext(asset, add_if_missing=True).apply(size=int(rng.integers(0, 2**40)))
        if key < 2:
            count = 1 + number % 3
            bands = [RasterBand.create(nodata=[None, 0, -9999, "nan"][(number + i) % 4], data_type=[DataType.UINT16, DataType.FLOAT32][i % 2], scale=[None, 0.0001][i % 2], offset=[None, -0.1][i % 2], unit=[None, "m"][(number + i) % 2]) for i in range(count)]
            EOExtension.ext(asset).apply(bands=[Band.create(name=f"B{i}", common_name="red") for i in range(count)])
            RasterExtension.ext(asset, add_if_missing=True).apply(bands)
        if key == 1:
            ProjectionExtension.ext(asset).apply(code="EPSG:4326", shape=[7, 9])
            asset.common_metadata.updated = at + dt.timedelta(days=2)
    return item


def naive(at):
    return at.astimezone(UTC).replace(tzinfo=None)


def number_of(value):
    return float(value) if value is not None else None


def by_pystac(item):
    """What the columns of read_stac must hold, as pystac reads the item."""
    rows = {}
    for key, asset in item.assets.items():
        projection = ProjectionExtension.ext(asset) if ProjectionExtension.has_extension(item) else None
        raster = RasterExtension.ext(asset).bands if "raster:bands" in asset.extra_fields else None
        eo = EOExtension.ext(asset).bands if "eo:bands" in asset.extra_fields else None
        bands = [{"name": e.name, "dtype": r.data_type, "nodata": number_of(r.nodata), "scale": r.scale, "offset": r.offset, "unit": r.unit} for r, e in zip(raster, eo)] if raster else None
        shape = (projection and projection.shape) or [None, None]
        transform = projection and projection.transform
        updated = asset.common_metadata.updated or item.common_metadata.updated
        span = item.common_metadata.start_datetime, item.common_metadata.end_datetime
        start, stop = span if all(span) else (item.datetime, item.datetime)
        rows[key] = {
            "path": asset.get_absolute_href(), "crs": projection and projection.code, "height": shape[0], "width": shape[1],
            "transform": transform and [transform[i] for i in (2, 0, 1, 5, 3, 4)], "bands": bands, "size": FileExtension.ext(asset).size if "file:size" in asset.extra_fields else None,
            "modified": updated and naive(updated), "t_min": naive(start), "t_max": naive(stop), "item": item.id, "collection": item.collection_id, "asset": key,
        }
    return rows


def by_read_stac(con, paths):
    names = ["path", "crs", "height", "width", "transform", "bands", "size", "modified", "t_min", "t_max"]
    cursor = con.execute(f"""SELECT {', '.join(names)}, attributes['item'] AS item, attributes['collection'] AS collection, attributes['asset'] AS asset,
        kind, bbox, attributes, ST_AsWKB(geometry)::BLOB AS wkb FROM read_stac({sql_list(paths)})""")
    columns = [d[0] for d in cursor.description]
    items = {}
    for row in cursor.fetchall():
        row = dict(zip(columns, row))
        items.setdefault(row["item"], {})[row["asset"]] = row
    return items


def check(ours, theirs, item):
    assert list(ours) == list(theirs)
    for key, want in theirs.items():
        got = {name: ours[key][name] for name in want}
        # NaN is equal to itself here.
        assert repr(got) == repr(want), (item.id, key)
        assert list(ours[key]["bbox"].values()) == item.bbox
        assert shapely.from_wkb(bytes(ours[key]["wkb"])).equals(shapely.geometry.shape(item.geometry))
        for name, value in item.properties.items():
            if isinstance(value, (str, int, float)):
                assert type(value)(ours[key]["attributes"][name]) == value, name


@pytest.fixture
def written(tmp_path):
    """Forty items that pystac wrote, each into its own folder; and as pystac reads them."""
    rng = np.random.default_rng(12)
    paths = []
    for number in range(40):
        path = tmp_path / f"f{number}/item.json"
        item = make_item(rng, number)
        item.set_self_href(str(path))
        item.save_object(include_self_link=number % 2 == 0)
        paths.append(path)
    return paths, [pystac.Item.from_file(str(path)) for path in paths]


def test_items_of_pystac_read_as_pystac_reads_them(con, written):
    paths, items = written
    ours = by_read_stac(con, paths)
    assert list(ours) == [item.id for item in items]
    for item in items:
        check(ours[item.id], by_pystac(item), item)
        assert [row["kind"] for row in ours[item.id].values()] == [kind for *_, kind in TYPES]


def test_a_collection_of_items_reads_like_its_items(con, written, tmp_path):
    paths, items = written
    pystac.ItemCollection(items).save_object(str(tmp_path / "all.json"))
    ours = by_read_stac(con, [tmp_path / "all.json"])
    for item in pystac.ItemCollection.from_file(str(tmp_path / "all.json")):
        check(ours[item.id], by_pystac(next(i for i in items if i.id == item.id)), item)


@pytest.mark.parametrize("version,projection", [("1.0.0", "v1.0.0"), ("1.0.0", "v1.1.0"), ("1.1.0", "v2.0.0"), ("1.0.0-rc.2", "v1.0.0")])
def test_items_of_every_version_read_as_pystac_migrates_them(con, tmp_path, version, projection):
    rng = np.random.default_rng(8)
    for number in range(8):
        document = make_item(rng, number).to_dict(include_self_link=False)
        document["stac_version"] = version
        document["stac_extensions"] = [f"https://stac-extensions.github.io/projection/{projection}/schema.json" if "/projection/" in name else name for name in document["stac_extensions"]]
        if projection != "v2.0.0":
            for fields in [document["properties"], *document["assets"].values()]:
                if "proj:code" in fields:
                    fields["proj:epsg"] = int(fields.pop("proj:code").split(":")[1])
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        item = pystac.Item.from_dict(json.loads(path.read_text()), href=str(path), migrate=True)
        item.set_self_href(str(path))
        theirs = by_pystac(item)
        assert theirs["k0"]["crs"] == f"EPSG:{32601 + number}"
        ours = by_read_stac(con, [path])[item.id]
        for key, want in theirs.items():
            assert repr({name: ours[key][name] for name in want}) == repr(want), key


def test_stac_geoparquet_reads_as_the_items_that_it_was_written_from(con, written, tmp_path):
    paths, items = written
    documents = [item.to_dict(include_self_link=True, transform_hrefs=False) for item in items]
    for document, path in zip(documents, paths):
        document["links"] = [{"rel": "self", "href": str(path), "type": "application/geo+json"}]
        # One type a column: words for NaN and numbers cannot stand in one.
        for asset in document["assets"].values():
            for band in asset.get("raster:bands", []):
                if band.get("nodata") == "nan":
                    del band["nodata"]
    table = stac_geoparquet.arrow.parse_stac_items_to_arrow(documents)
    stac_geoparquet.arrow.to_parquet(table, tmp_path / "items.parquet")
    ours = by_read_stac(con, [tmp_path / "items.parquet"])
    for document in stac_geoparquet.arrow.stac_table_to_items(table.read_all() if hasattr(table, "read_all") else table):
        item = pystac.Item.from_dict(document)
        theirs = by_pystac(item)
        assert set(ours[item.id]) == set(theirs)
        for key, want in theirs.items():
            got = {name: ours[item.id][key][name] for name in want}
            assert repr(got) == repr(want), (item.id, key)
            assert shapely.from_wkb(bytes(ours[item.id][key]["wkb"])).equals(shapely.geometry.shape(item.geometry))
    assert len(ours) == len(items)


@pytest.mark.parametrize("east", [-170, 190])
def test_items_over_the_antimeridian_are_cut_and_cover_what_was_written(con, tmp_path, east):
    shape = shapely.Polygon([(170, -10), (east, -10), (east, 10), (170, 10)])
    item = pystac.Item("over", shapely.geometry.mapping(shape), [170, -10, -170, 10], dt.datetime(2020, 1, 1, tzinfo=UTC), {})
    item.add_asset("a", pystac.Asset("a.tif"))
    item.save_object(dest_href=str(tmp_path / "over.json"), include_self_link=False)
    table = stac_geoparquet.arrow.parse_stac_items_to_arrow([item.to_dict()])
    stac_geoparquet.arrow.to_parquet(table, tmp_path / "over.parquet")
    want = shapely.union(shapely.box(170, -10, 180, 10), shapely.box(-180, -10, -170, 10))
    for name in ("over.json", "over.parquet"):
        row = by_read_stac(con, [tmp_path / name])["over"]["a"]
        shape = shapely.from_wkb(bytes(row["wkb"]))
        assert shape.is_valid and shape.symmetric_difference(want).area < 1e-9, name
        assert row["bbox"] == {"xmin": -180, "ymin": -10, "xmax": 180, "ymax": 10}
