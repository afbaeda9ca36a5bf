"""The production package: catalog, grid, registry and profiles against depth-recon's own loader, xarray, rasterio and NumPy."""
import datetime as dt
import pathlib
import shutil
import sys
import types

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
import yaml

from conftest import ROOT, connect

sys.path.insert(0, str(ROOT / "test/data"))
import make_ocean

MASK = "depth_recon/data/dataset_creation/data_download_raw/get_world/world_land_mask_glorys_0p1.tif"
SIZE, STRIDE = 16, 4
GRID = f"size := {SIZE}, stride := {STRIDE}"
REGIONS = [{"name": "mediterranean", "lon_min": -6, "lon_max": 37, "lat_min": 30, "lat_max": 46, "max_land_fraction": 0.6},
           {"name": "baltic", "lon_min": 9, "lon_max": 31, "lat_min": 53, "lat_max": 66, "max_land_fraction": 0.85},
           {"name": "red_sea", "lon_min": 32, "lon_max": 44, "lat_min": 12, "lat_max": 30, "max_land_fraction": 0.85},
           {"name": "hudson_bay", "lon_min": -96, "lon_max": -74, "lat_min": 50, "lat_max": 65, "max_land_fraction": 0.95}]


@pytest.fixture(scope="module")
def package(tmp_path_factory, depth_recon):
    folder = tmp_path_factory.mktemp("ocean") / "package"
    make_ocean.make(folder, str(depth_recon / MASK))
    return str(folder)


@pytest.fixture(scope="module")
def loader(depth_recon):
    """The production loader's module and the exporter's, which name torch and tqdm for what is not called here."""
    stubs = {name: types.ModuleType(name) for name in ("torch", "torch.utils", "torch.utils.data", "tqdm")}
    stubs["torch.utils.data"].Dataset = object
    stubs["torch"].Tensor = object
    stubs["tqdm"].tqdm = list
    stubs["torch"].utils, stubs["torch.utils"].data = stubs["torch.utils"], stubs["torch.utils.data"]
    added = [name for name in stubs if name not in sys.modules]
    sys.modules.update({name: stubs[name] for name in added})
    try:
        from depth_recon.data import dataset_argo_geotiff_gridded as gridded
        from depth_recon.data.dataset_creation.export_dataset_geotiff import export_dataset_geotiff as export
    finally:
        for name in added:
            del sys.modules[name]
    return gridded, export


def dataset(loader, package, split="all", **more):
    options = {"require_argo_for_train": False, "require_argo_for_val": True, "require_argo_for_all": False, "val_year": 2018, **more}
    return loader[0].ArgoGeoTIFFGriddedPatchDataset(
        geotiff_root_dir=package, metadata_cache_dir=None, split=split, tile_size=SIZE, resolution_deg=1.0, patch_stride=STRIDE, max_land_fraction=0.3,
        force_include_regions=REGIONS, **options)


def day(number):
    return dt.date(number // 10000, number // 100 % 100, number % 100)


def store(package):
    return xr.open_zarr(f"{package}/argo/argo_profiles_on_grid.zarr", consolidated=None)


# --- the catalog


def test_the_catalog_has_a_row_for_each_file_with_its_variable_date_and_stretch(con, package):
    manifest = yaml.safe_load(pathlib.Path(package, "manifest.yaml").read_text())
    rows = con.execute(f"SELECT path, part, product, variable, date, stretch, t_min, t_max, width, height, len(bands), transform FROM geoquilt.ocean_package('{package}')").fetchall()
    files = {str(p) for p in pathlib.Path(package).rglob("*") if p.is_file() and ".zarr" not in str(p) and p.name != "manifest.yaml"}
    files |= {f"{package}/argo/argo_profiles_on_grid.zarr", f"{package}/data/argo_glors_ostia_ssh.zarr"}
    assert {row[0] for row in rows} == files and len(rows) == len(files)
    named = {(p, v, e["date"]): f"{package}/{e['path']}" for p, vs in manifest["rasters"].items() for v, es in vs.items() for e in es}
    found = {(row[2], row[3], int(f"{row[4]:%Y%m%d}")): row for row in rows if row[1] == "rasters"}
    assert {key: row[0] for key, row in found.items()} == named
    stretches = {"thetao": "temperature_kelvin", "analysed_sst": "temperature_kelvin", "adt": "sea_height"}
    for (_, variable, _), row in found.items():
        want = manifest["stretch"][stretches[variable]]
        assert row[5] == {key: want[key] for key in ("minimum", "maximum", "valid_code_max", "nodata", "units")}
        assert row[6] == dt.datetime.combine(row[4], dt.time()) and row[7] == row[6] + dt.timedelta(1) - dt.timedelta(microseconds=1)
        with rasterio.open(row[0]) as file:
            assert (row[8], row[9], row[10]) == (file.width, file.height, file.count) and list(file.transform.to_gdal()) == row[11]
    assert {(row[1], row[3]) for row in rows if row[1] != "rasters"} == {("argo", None), ("masks", "land"), ("data", None), ("metadata", None), ("indices", None)}


def test_the_catalogs_rasters_join_as_a_catalog(con, package):
    con.execute(f"CREATE TABLE entries AS FROM geoquilt.ocean_package('{package}') WHERE part = 'rasters'")
    assert con.execute("FROM geoquilt.catalog_validate('entries')").fetchall() == []
    got = con.execute("SELECT variable FROM geoquilt.catalog_query('entries', bbox := {xmin: 0, ymin: 0, xmax: 1, ymax: 1}, t_min := '2017-12-27', t_max := '2017-12-27') ORDER BY ALL").fetchall()
    assert got == [("adt",), ("analysed_sst",), ("thetao",)]


def test_the_depth_axis_is_the_loaders(con, package, loader):
    got = con.execute(f"SELECT depth_m FROM geoquilt.depth_axis('{package}') ORDER BY level").fetchnumpy()["depth_m"]
    np.testing.assert_array_equal(got.astype("float32"), dataset(loader, package).depth_axis_m)


# --- the grid


def test_the_preset_keeps_as_many_patches_as_the_published_grid(con, depth_recon):
    con.execute("SET VARIABLE regions = (SELECT list(r) FROM geoquilt.ocean_regions() AS r)")
    for regions, kept in (("getvariable('regions')", 3614), ("getvariable('regions')[:1]", 3547), ("[]", 3516)):
        assert con.execute(f"SELECT count(*) FROM geo_patch_grid('{depth_recon / MASK}', size := 128, stride := 32, max_land_fraction := 0.3, force_include := {regions})").fetchone() == (kept,)
    assert con.execute("SELECT name, xmin, xmax, ymin, ymax, max_land_fraction FROM geoquilt.ocean_regions()").fetchall() == [tuple(r.values()) for r in REGIONS]


def test_the_grid_is_the_loaders_whatever_the_dates(con, package, loader):
    theirs = pd.DataFrame(dataset(loader, package).rows)
    theirs = theirs[theirs.date == theirs.date.min()].reset_index(drop=True)
    ours = con.execute(f"SELECT win.row_off, win.col_off, land_fraction, force_included, coalesce(force_region, '') AS region, lat_center, lon_center FROM geoquilt.ocean_grid('{package}', {GRID})").df()
    for mine, other in (("row_off", "grid_y0"), ("col_off", "grid_x0"), ("land_fraction", "land_fraction"), ("force_included", "force_included"), ("region", "force_include_region")):
        np.testing.assert_array_equal(ours[mine].to_numpy(), theirs[other].to_numpy(), err_msg=mine)
    np.testing.assert_allclose(ours[["lat_center", "lon_center"]], theirs[["lat_center", "lon_center"]], atol=1e-9)
    everything = con.execute(f"SELECT count(*) FILTER (status <> 'rejected'), count(*) FROM geoquilt.ocean_grid('{package}', {GRID}, include_rejected := true)").fetchone()
    assert everything == (len(ours), ((180 - SIZE) // STRIDE + 1) * ((360 - SIZE) // STRIDE + 1))
    none = con.execute(f"SELECT count(*) FROM geoquilt.ocean_grid('{package}', {GRID}, regions := [])").fetchone()[0]
    assert none == int((ours.land_fraction <= 0.3).sum()) < len(ours)


# --- profiles


def test_profiles_are_decoded_as_the_loader_does_bit_for_bit(con, package, loader):
    theirs = loader[0].ArgoGeoTIFFProfileStore(f"{package}/argo/argo_profiles_on_grid.zarr")
    want = theirs.load_temperature_profiles(np.arange(theirs.target_date.size))
    rows = con.execute(f"SELECT profile_id, \"row\", col, temp, lon, lat, date FROM geoquilt.ocean_profiles('{package}') ORDER BY profile_id").fetchall()
    got = np.array([[np.nan if v is None else v for v in row[3]] for row in rows], "float32")
    assert np.isnan(want).any() and np.isfinite(want).sum() > 1000
    np.testing.assert_array_equal(got, want)
    data = store(package)
    assert [row[:3] for row in rows] == list(zip(range(len(rows)), data.grid_row.values, data.grid_col.values))
    assert [row[4:6] for row in rows] == list(zip(data.longitude.values.astype(float), data.latitude.values.astype(float)))
    assert [row[6] for row in rows] == [day(int(d)) if d > 0 else None for d in data.profile_date.values] and (data.profile_date.values == 0).any()


def test_the_enriched_store_beside_it_is_cataloged_and_read(con, package):
    path, = con.execute(f"SELECT path FROM geoquilt.ocean_package('{package}') WHERE part = 'data'").fetchone()
    data = xr.open_zarr(path)
    rows = con.execute(f"SELECT lon, lat, depth, argo_temp FROM read_profiles('{path}', variables := 'argo_temp') ORDER BY profile_id").fetchall()
    assert [row[:2] for row in rows] == list(zip(data.longitude.values.astype(float), data.latitude.values.astype(float)))
    np.testing.assert_array_equal(np.array([[np.nan if v is None else v for v in row[3]] for row in rows], "float32"), data.argo_temp.values)
    assert all(row[2] == data.glorys_depth.values.astype(float).tolist() for row in rows)


# --- the registry


def registry(con, package, more="", columns="date, win.row_off, win.col_off, split, support"):
    return con.execute(f"SELECT {columns} FROM geoquilt.ocean_registry('{package}', {GRID}{more})").fetchall()


def test_the_registry_is_the_loaders_rows_for_weekly_dates(con, package, loader):
    theirs = [(day(r["date"]), r["grid_y0"], r["grid_x0"], r["split"], r["argo_profile_count"]) for r in dataset(loader, package).rows]
    assert sum(r[4] for r in theirs) > 1000
    # A week's window gives each profile to one date: both ways are the loader's.
    for assign in ("window", "nearest"):
        assert registry(con, package, f", assign := '{assign}', require_argo := {{val: false}}") == theirs


def test_splits_with_support_are_the_loaders(con, package, loader):
    for split in ("train", "val"):
        theirs = [(day(r["date"]), r["grid_y0"], r["grid_x0"], r["argo_profile_count"]) for r in dataset(loader, package, split).rows]
        assert [(r[0], r[1], r[2], r[4]) for r in registry(con, package) if r[3] == split] == theirs
    for key, split in (("train", "train"), ("all", "all")):
        theirs = dataset(loader, package, split, **{f"require_argo_for_{key}": True}).rows
        got = registry(con, package, f", require_argo := {{'{key}': true, val: false}}")
        assert [r[0] for r in got if split == "all" or r[3] == split] == [day(r["date"]) for r in theirs]
    rows = con.execute(f"SELECT split, cause, min(support), max(support), count(*) FROM geoquilt.ocean_registry('{package}', {GRID}) GROUP BY ALL ORDER BY ALL").fetchall()
    assert [r[:2] for r in rows] == [("rejected", "support"), ("train", None), ("val", None)] and rows[0][2:4] == (0, 0) and rows[2][2] > 0 and rows[1][2] == 0
    assert sum(r[4] for r in rows) == len(dataset(loader, package).rows)


@pytest.mark.parametrize("window", [1, 2, 3, 6, 8, 15])
def test_support_is_that_of_brute_force_where_dates_share_profiles(con, package, window):
    data = store(package)
    ok = data.argo_temp_valid.values.any(axis=1) & (data.profile_date.values > 0)
    row, col = data.grid_row.values[ok], data.grid_col.values[ok]
    days = np.array([np.datetime64(day(int(d))) for d in data.profile_date.values[ok]])
    got = registry(con, package, f", window_days := {window}, require_argo := {{val: false}}")
    assert len(got) > 5000
    for date, y, x, _, support in got[::7]:
        inside = (row >= y) & (row < y + SIZE) & (col >= x) & (col < x + SIZE) & (np.abs((days - np.datetime64(date)).astype(int)) <= window // 2)
        assert support == inside.sum(), (date, y, x)


def test_the_nearest_date_is_the_exporters_for_any_dates_and_windows(con, loader, tmp_path, depth_recon):
    dates = [dt.date(2017, 12, 31)] + [dt.date(2018, 1, d) for d in (2, 5, 11, 12, 20)] + [dt.date(2018, 2, 3), dt.date(2018, 3, 1)]
    make_ocean.make(tmp_path / "p", str(depth_recon / MASK), step=10.0, levels=2, profiles=200, days=dates)
    target = np.array([int(f"{d:%Y%m%d}") for d in dates[:-1]])
    span = [dt.date(2017, 12, 20) + dt.timedelta(i) for i in range(70)]
    for window in range(1, 25):
        ranges = con.execute(f"SELECT DISTINCT date, argo_from, argo_to FROM geoquilt.ocean_registry('{tmp_path}/p', size := 4, stride := 4, assign := 'nearest', window_days := {window}, require_argo := {{val: false}}) ORDER BY date").fetchall()
        assert [r[0] for r in ranges] == dates[:-1]
        want, kept = loader[1]._nearest_target_dates(np.array([int(f"{d:%Y%m%d}") for d in span]), target, window_days=window)
        for d, number, keep in zip(span, want, kept):
            assert [r[0] for r in ranges if r[1] <= d <= r[2]] == ([day(int(number))] if keep else []), (window, d)


def test_dates_are_ostias_that_the_others_cover_with_a_path_a_variable(con, package):
    manifest = yaml.safe_load(pathlib.Path(package, "manifest.yaml").read_text())["rasters"]
    paths = {p: {day(e["date"]): f"{package}/{e['path']}" for es in vs.values() for e in es} for p, vs in manifest.items()}
    rows = registry(con, package, columns="DISTINCT ON (date) date, ostia, glorys, sea_level")
    common = sorted(set(paths["ostia"]) & set(paths["glorys"]) & set(paths["sealevel"]))
    assert sorted(rows) == [(d, paths["ostia"][d], paths["glorys"][d], paths["sealevel"][d]) for d in common] and len(common) == 3
    every = sorted(registry(con, package, ", coverage := []", "DISTINCT ON (date) date, ostia, glorys, sea_level"))
    assert every == [(d, paths["ostia"][d], paths["glorys"].get(d), paths["sealevel"].get(d)) for d in sorted(paths["ostia"])] and every[-1][2] is None


def test_no_row_of_another_split_is_lost_with_the_order_of_dates_then_patches(con, package):
    rows = registry(con, package, columns="date, patch_id")
    assert rows == sorted(rows) and len(set(rows)) == len(rows)


# --- hard regions


HARD = "[{name: 'indonesia', xmin: 90, ymin: -15, xmax: 140, ymax: 15}]"


@pytest.mark.parametrize("fraction, relax", [(0.75, True), (0.75, False), (0.2, True), (1.0, True)])
def test_a_run_has_all_hard_rows_and_a_drawn_share_of_easy_ones(con, package, fraction, relax):
    base = con.execute(f"SELECT date, patch_id, split FROM geoquilt.ocean_registry('{package}', {GRID})").fetchall()
    run = con.execute(f"SELECT date, patch_id, split, hard, status, land_fraction, lon_center, lat_center, easy_missing FROM geoquilt.ocean_finetune('{package}', {HARD}, {GRID}, hard_fraction := {fraction}, relax_land_filter := {str(relax).lower()})").fetchall()
    # Validation and all that is not train is what it is without the run.
    assert [r[:3] for r in run if r[2] != "train"] == [r for r in base if r[2] != "train"]
    grid = con.execute(f"SELECT patch_id, land_fraction, lon_center, lat_center, status <> 'rejected' FROM geoquilt.ocean_grid('{package}', {GRID}, include_rejected := true)").fetchall()
    inside = {p: 90 <= x <= 140 and -15 <= y <= 15 and land <= 0.85 for p, land, x, y, _ in grid}
    kept = {p for p, *_, keep in grid if keep or (relax and inside[p])}
    dates = sorted({r[0] for r in base if r[2] == "train"})
    rows = [(d, p) for d in dates for p in sorted(kept)]
    hard, easy = [r for r in rows if inside[r[1]]], [r for r in rows if not inside[r[1]]]
    wanted = round(len(hard) * (1 - fraction) / fraction)
    drawn = np.random.default_rng(7).choice(len(easy), min(wanted, len(easy)), replace=False)
    want = sorted(hard + [easy[i] for i in drawn])
    assert [r[:2] for r in run if r[2] == "train"] == want and [r[3] for r in run if r[2] == "train"] == [inside[p] for _, p in want]
    assert {r[8] for r in run} == {max(wanted - len(easy), 0)}
    assert any(r[4] == "forced" and inside[r[1]] for r in run) == relax or not relax


# --- names of caches


def test_a_key_names_contents_and_parameters_and_not_the_folder(con, package, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(package, copy)
    key = lambda root, more="": con.execute(f"SELECT geoquilt.ocean_key('{root}'{more})").fetchone()[0]
    first = key(package)
    assert first == key(copy) == key(package, ", size := 128, assign := 'window'") and len(first) == 64
    others = [key(package, more) for more in (", size := 64", ", stride := 16", ", max_land_fraction := 0.2", ", regions := []", ", val_year := 2017", ", window_days := 5", ", assign := 'nearest'", ", require_argo := {val: false}", ", coverage := []")]
    assert len({first, *others}) == 10
    # What no longer is what it was has another name, and that file is not there: no stale row is read.
    for change in ("manifest.yaml", "masks/world_land_mask.tif", "argo/argo_profiles_on_grid.zarr/target_date/0"):
        before = key(copy)
        con.execute(f"COPY (FROM geoquilt.ocean_registry('{copy}', {GRID})) TO '{tmp_path}/{before}.parquet'")
        path = copy / change
        text = path.read_bytes()
        path.write_bytes(text + b"\n" if change == "manifest.yaml" else text + b"\0")
        after = key(copy)
        assert after != before and not (tmp_path / f"{after}.parquet").exists()
        path.write_bytes(text)
        assert key(copy) == before
        back = con.execute(f"SELECT count(*) FROM '{tmp_path}/{before}.parquet'").fetchone()
        assert back == con.execute(f"SELECT count(*) FROM geoquilt.ocean_registry('{copy}', {GRID})").fetchone()


# --- bad input


@pytest.fixture
def changed(package, tmp_path):
    """changed(edit): a copy of the package whose manifest was edited."""

    def make(edit):
        copy = tmp_path / "bad"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(package, copy)
        manifest = yaml.safe_load((copy / "manifest.yaml").read_text())
        edit(manifest)
        (copy / "manifest.yaml").write_text(yaml.safe_dump(manifest))
        return str(copy)

    return make


def test_a_manifest_that_misses_a_key_says_which(con, changed):
    for key in ("grid.source", "stretch.temperature_kelvin", "stretch.sea_height", "stretch.temperature_kelvin.minimum", "depth_axis_m", "rasters", "rasters.glorys", "rasters.glorys.thetao",
                "rasters.ostia.analysed_sst", "argo", "argo.path"):
        def edit(manifest):
            *parents, last = key.split(".")
            for name in parents:
                manifest = manifest[name]
            del manifest[last]

        with pytest.raises(Exception, match=rf"geo_ocean_manifest\(root\).*manifest.yaml.*lacks the key {key.replace('.', '[.]')}"):
            con.execute(f"FROM geoquilt.ocean_package('{changed(edit)}')").fetchall()


@pytest.mark.parametrize("edit, said", [
    (lambda m: m["rasters"]["ostia"]["analysed_sst"][1].update(path="rasters/none.tif"), r"rasters.ostia.analysed_sst\[1\].path.*none.tif"),
    (lambda m: m["argo"].update(path="argo/none.zarr"), "argo.path.*none.zarr"),
    (lambda m: m["grid"].update(source="masks/none.tif"), "grid.source.*none.tif"),
    (lambda m: m["rasters"]["ostia"]["analysed_sst"][1].update(date=20170230), r"analysed_sst\[1\].date is 20170230, and not a day"),
    (lambda m: m["rasters"]["ostia"]["analysed_sst"][1].update(date=m["rasters"]["ostia"]["analysed_sst"][0]["date"]), r"analysed_sst\[1\].date.*before"),
    (lambda m: m["rasters"]["ostia"].update(analysed_sst=[]), "analysed_sst names no raster"),
    (lambda m: m.update(depth_axis_m=[1.0, 1.0]), "depth_axis_m must hold depths"),
    (lambda m: m.update(depth_axis_m=[-1.0, 1.0]), "depth_axis_m must hold depths"),
    (lambda m: m.update(depth_axis_m=["deep"]), "depth_axis_m holds what is not a number"),
    (lambda m: m["stretch"]["temperature_kelvin"].update(maximum=1.0), "no maximum above its minimum"),
    (lambda m: m["stretch"]["temperature_kelvin"].update(minimum="cold"), "minimum is \"cold\", and not a number"),
    (lambda m: m["depth_axis_m"].pop(), r"ocean_package\(root\).*thetao.*10 bands, and depth_axis_m 9 depths"),
    (lambda m: m["rasters"]["ostia"]["analysed_sst"][0].update(path=m["rasters"]["glorys"]["thetao"][0]["path"]), r"ocean_package\(root\).*10 bands"),
])
def test_a_manifest_that_is_wrong_says_where(con, changed, edit, said):
    with pytest.raises(Exception, match=said):
        con.execute(f"FROM geoquilt.ocean_package('{changed(edit)}')").fetchall()


def test_folders_that_are_no_packages(con, tmp_path):
    (tmp_path / "manifest.yaml").write_text("a: [1")
    for root, said in ((f"{tmp_path}", "not YAML"), (f"{tmp_path}/none", "does not exist"), ("", "must be the folder that holds manifest.yaml")):
        with pytest.raises(Exception, match=rf"geo_ocean_manifest\(root\).*{said}"):
            con.execute(f"SELECT geo_ocean_manifest('{root}')").fetchall()
    assert con.execute("SELECT geo_ocean_manifest(NULL)").fetchone() == (None,)


def test_a_raster_on_another_grid_is_refused(con, changed):
    def edit(manifest):
        manifest["rasters"]["ostia"]["analysed_sst"][2]["path"] = "rasters/shifted.tif"

    root = changed(edit)
    for name, change in (("lies at", {"transform": rasterio.transform.from_origin(-179.5, 90, 1, 1)}), ("has 90 x 360 pixels", {"height": 90}), ("is in EPSG:3857", {"crs": "EPSG:3857", "transform": rasterio.transform.from_origin(0, 0, 10, 10)})):
        profile = {"driver": "GTiff", "count": 1, "height": 180, "width": 360, "dtype": "uint8", "crs": "EPSG:4326", "transform": rasterio.transform.from_origin(-180, 90, 1, 1), **change}
        with rasterio.open(f"{root}/rasters/shifted.tif", "w", **profile) as file:
            file.write(np.zeros((1, profile["height"], profile["width"]), "uint8"))
        with pytest.raises(Exception, match=rf"ocean_package\(root\): .*shifted.tif\" {name}"):
            con.execute(f"FROM geoquilt.ocean_registry('{root}', {GRID})").fetchall()


def test_a_store_that_does_not_fit_is_refused(con, package, changed):
    root = changed(lambda manifest: None)
    data = store(package).load()
    for drop, said in (("profile_date", "profile_date"), ("grid_row", "grid_row"), ("argo_temp_valid", "argo_temp_valid")):
        data.drop_vars(drop).to_zarr(f"{root}/argo/argo_profiles_on_grid.zarr", mode="w", zarr_format=2)
        with pytest.raises(Exception, match=said):
            con.execute(f"FROM geoquilt.ocean_profiles('{root}')").fetchall()
    data.isel(glorys_depth=slice(0, 9)).to_zarr(f"{root}/argo/argo_profiles_on_grid.zarr", mode="w", zarr_format=2)
    with pytest.raises(Exception, match=r"ocean_profiles\(root\): .* has 9 levels, and depth_axis_m of .* 10"):
        con.execute(f"FROM geoquilt.ocean_profiles('{root}')").fetchall()


@pytest.mark.parametrize("more, said", [
    (", val_year := 1999", r"\(val_year\).*1999\n.*2017, 2018"),
    (", window_days := 0", r"ocean_registry\(window_days\): 0 is not valid"),
    (", assign := 'neerest'", r"ocean_registry\(assign\): \"neerest\""),
    (", require_argo := {vall: true}", r"ocean_registry\(require_argo\).*vall"),
    (", coverage := ['glorys/so']", r"ocean_registry\(coverage\): the package has no variable \"glorys/so\"\nIt has glorys/thetao, ostia/analysed_sst, sealevel/adt"),
    (", max_land_fraction := 0, regions := [{xmin: 0, ymin: 0, xmax: 1}]", r"geo_patch_grid\(force_include\): .* a number for ymax"),
    (", val_year := NULL", r"val_year"),
])
def test_wrong_parameters_of_a_registry(con, package, more, said):
    with pytest.raises(Exception, match=said):
        registry(con, package, more)


def test_dates_that_never_meet_are_told_by_variable(con, changed):
    def edit(manifest):
        for entry in manifest["rasters"]["glorys"]["thetao"]:
            entry["date"] += 20000

    with pytest.raises(Exception, match=r"ocean_registry\(coverage\): none of 4 dates of ostia/analysed_sst is covered: glorys/thetao lacks 4"):
        registry(con, changed(edit))


def test_a_land_rule_that_rejects_everything_is_an_error(con, package, tmp_path):
    copy = tmp_path / "dry"
    shutil.copytree(package, copy)
    with rasterio.open(copy / "masks/world_land_mask.tif", "r+") as file:
        file.write(np.ones((180, 360), "uint8"), 1)
    with pytest.raises(Exception, match=r"ocean_grid\(max_land_fraction\): 0.3 rejects all 3654 patches: the least land in one is 1.0"):
        con.execute(f"FROM geoquilt.ocean_grid('{copy}', {GRID})").fetchall()


def test_a_region_over_the_antimeridian_and_an_empty_one(con, package):
    around = con.execute(f"SELECT lon_center, lat_center, land_fraction, force_included FROM geoquilt.ocean_grid('{package}', {GRID}, include_rejected := true, regions := [{{name: 'fiji', xmin: 170, ymin: -30, xmax: -170, ymax: 0, max_land_fraction: 1}}])").fetchall()
    assert [r[3] for r in around] == [abs(r[0]) >= 170 and -30 <= r[1] <= 0 for r in around] and any(r[3] for r in around)
    with pytest.raises(Exception, match=r"hard_sample\(regions\).*has its centre"):
        con.execute(f"FROM geoquilt.ocean_finetune('{package}', [{{name: 'x', xmin: 0.1, ymin: 0.1, xmax: 0.2, ymax: 0.2}}], {GRID})").fetchall()


def test_the_same_rows_come_on_any_number_of_threads(package):
    answers = []
    for threads in (1, 8):
        con = connect()
        con.execute(f"SET threads = {threads}")
        answers.append(con.execute(f"SELECT * FROM geoquilt.ocean_registry('{package}', {GRID}, window_days := 15)").fetchall())
        con.close()
    assert answers[0] == answers[1]


# --- the sample


def floats(values):
    return np.array([np.nan if v is None else v for v in values], "float32")


FIELDS = "eo, x, y, x_valid_mask, y_valid_mask, x_valid_mask_1d, y_valid_mask_1d, land_mask, date, coords, shape, info"


def samples(con, package, where, more="", options=""):
    con.execute(f"CREATE OR REPLACE TABLE rows AS FROM geoquilt.ocean_registry('{package}', {GRID}, require_argo := {{val: false}}{options}) WHERE {where}")
    return con.execute(f"SELECT {FIELDS} FROM geoquilt.ocean_sample('{package}', 'rows'{more})").fetchall(), con.execute("FROM rows").df()


def test_a_sample_is_the_loaders_arrays_bit_for_bit(con, package, loader):
    got, rows = samples(con, package, "support > 1 OR patch_id % 97 = 0")
    theirs = dataset(loader, package)
    by_row = {(day(r["date"]), r["grid_y0"], r["grid_x0"]): r for r in theirs.rows}
    assert len(got) == len(rows) > 100
    for sample, (_, row) in zip(got, rows.iterrows()):
        eo, x, y, x_mask, y_mask, x_any, y_any, _, date, coords, shape, info = sample
        reference = by_row[date, row.win["row_off"], row.win["col_off"]]
        assert shape == [10, SIZE, SIZE]
        sst, want_y, (want_x, want_mask) = theirs._load_eo_patch(reference), theirs._load_y_patch(reference), theirs._rasterize_argo_patch(reference)
        np.testing.assert_array_equal(floats(eo).reshape(2, SIZE, SIZE)[0], sst[0])
        np.testing.assert_array_equal(floats(y).reshape(shape), want_y)
        # A mean of float64 sums, whose order may move the last bit.
        np.testing.assert_allclose(floats(x).reshape(shape), want_x, rtol=2e-7)
        np.testing.assert_array_equal(np.reshape(x_mask, shape), want_mask)
        np.testing.assert_array_equal(np.reshape(y_mask, shape), np.isfinite(want_y))
        np.testing.assert_array_equal(np.reshape(x_any, shape[1:]), want_mask.any(axis=0))
        np.testing.assert_array_equal(np.reshape(y_any, shape[1:]), np.isfinite(want_y).any(axis=0))
        np.testing.assert_allclose(coords, [reference["lat_center"], reference["lon_center"]], atol=1e-9)
        assert (info["patch_id"], info["date"], info["split"], info["support"]) == (row.patch_id, row.date.date(), row.split, row.support)
    assert sum(any(s[3]) for s in got) > 50


def test_the_second_channel_is_the_sea_level(con, package):
    got, rows = samples(con, package, "patch_id % 197 = 0")
    for sample, (_, row) in zip(got, rows.iterrows()):
        with rasterio.open(row.sea_level) as file:
            win = row.win
            codes = file.read(1, window=rasterio.windows.Window(win["col_off"], win["row_off"], SIZE, SIZE))
        want = np.where(codes == 255, np.float32(np.nan), np.float32(-2) + codes.astype("float32") / np.float32(254) * np.float32(4))
        np.testing.assert_array_equal(floats(sample[0]).reshape(2, SIZE, SIZE)[1], want)


def test_a_sample_for_a_model_is_normalised_as_published(con, package):
    plain, _ = samples(con, package, "patch_id % 97 = 0")
    normal, _ = samples(con, package, "patch_id % 97 = 0", ", normalise := true")
    filled, _ = samples(con, package, "patch_id % 97 = 0", ", fill := -9")
    for a, b, c in zip(plain, normal, filled):
        for i in (0, 1, 2):
            values = floats(a[i])
            want = np.nan_to_num(((values + np.float32(273.15)) - np.float32(289.74267177946783)) / np.float32(10.933397487585731), nan=0.0)
            if i == 0:
                want[SIZE * SIZE:] = np.nan_to_num(values[SIZE * SIZE:], nan=0.0)
            np.testing.assert_array_equal(floats(b[i]), want)
            np.testing.assert_array_equal(floats(c[i]), np.where(np.isnan(values), np.float32(-9), values))
        assert a[3:] == b[3:] == c[3:]


def test_the_land_mask_is_glorys_support_else_ostias_else_the_masks(con, package):
    got, rows = samples(con, package, "patch_id % 61 = 0", options=", coverage := []")
    assert rows.glorys.isna().any() and rows.glorys.notna().any()
    con.execute("CREATE OR REPLACE TABLE bare AS SELECT * REPLACE (NULL::VARCHAR AS glorys, NULL::VARCHAR AS ostia) FROM rows")
    bare = con.execute(f"SELECT {FIELDS} FROM geoquilt.ocean_sample('{package}', 'bare')").fetchall()
    with rasterio.open(f"{package}/masks/world_land_mask.tif") as file:
        land = file.read(1)
    for sample, without, (_, row) in zip(got, bare, rows.iterrows()):
        sst = np.isfinite(floats(sample[0])[:SIZE * SIZE])
        want = np.isfinite(floats(sample[2])).reshape(10, -1).any(axis=0) if isinstance(row.glorys, str) else sst
        np.testing.assert_array_equal(sample[7], want.astype(float))
        assert isinstance(row.glorys, str) or not any(sample[4])
        win = row.win
        sea = land[win["row_off"]:win["row_off"] + SIZE, win["col_off"]:win["col_off"] + SIZE] <= 0.5
        np.testing.assert_array_equal(without[7], sea.ravel().astype(float))


def test_support_that_is_all_missing_stays_zero(con, package, tmp_path):
    copy = tmp_path / "empty"
    shutil.copytree(package, copy)
    for path in (copy / "rasters/glorys").rglob("*.tif"):
        with rasterio.open(path, "r+") as file:
            file.write(np.full((file.count, 180, 360), 255, "uint8"))
    got, _ = samples(con, str(copy), "patch_id % 197 = 0")
    assert got and all(set(s[7]) == {0.0} and set(s[2]) == {None} and not any(s[4]) and not any(s[6]) and any(v is not None for v in s[0]) for s in got)


def test_a_profile_belongs_to_every_window_that_holds_it_and_every_date_near_it(con, package):
    """Windows of 15 days share profiles: a brute force over the store."""
    got, rows = samples(con, package, "patch_id % 31 = 0 AND support > 0", options=", window_days := 15")
    data = store(package)
    casts = con.execute(f"SELECT temp FROM geoquilt.ocean_profiles('{package}') ORDER BY profile_id").fetchall()
    values = np.array([floats(r[0]) for r in casts])
    days = np.array([np.datetime64(day(int(d)) if d > 0 else "1900-01-01") for d in data.profile_date.values])
    for sample, (_, row) in zip(got, rows.iterrows()):
        win, near = row.win, np.abs((days - np.datetime64(row.date.date())).astype(int)) <= 7
        y, x = data.grid_row.values - win["row_off"], data.grid_col.values - win["col_off"]
        inside = near & (y >= 0) & (y < SIZE) & (x >= 0) & (x < SIZE) & np.isfinite(values).any(axis=1)
        assert inside.sum() == row.support
        total, count = np.zeros((10, SIZE, SIZE)), np.zeros((10, SIZE, SIZE))
        for i in np.flatnonzero(inside):
            ok = np.isfinite(values[i])
            total[ok, y[i], x[i]] += values[i][ok]
            count[ok, y[i], x[i]] += 1
        want = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype("float32")
        np.testing.assert_allclose(floats(sample[1]).reshape(10, SIZE, SIZE), want, rtol=2e-7)
    assert len(got) > 20


def test_a_relation_that_is_no_registry_is_refused(con, package):
    con.execute("CREATE TABLE other AS SELECT 1 AS a")
    with pytest.raises(Exception, match="win|date|ostia"):
        con.execute(f"FROM geoquilt.ocean_sample('{package}', 'other')").fetchall()
