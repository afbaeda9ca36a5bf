"""The session in the README is what the tool prints."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_session_prints_what_the_readme_shows():
    cli = Path(sys.executable).parent / "duckdb"
    if not cli.exists():
        pytest.skip("the DuckDB client is installed beside one engine only")
    readme = (ROOT / "README.md").read_text()
    session = re.search(r"<!-- session -->\n```sql\n(.*?)```", readme, re.S).group(1)
    shown = re.search(r"<!-- output -->\n```\n(.*?)```", readme, re.S).group(1)
    (ROOT / "build").mkdir(exist_ok=True)
    run = subprocess.run([cli, "-unsigned", "-no-init", "-bail"], input=session, cwd=ROOT, text=True,
                         capture_output=True, timeout=120)
    assert run.stderr == ""
    assert run.stdout == shown


def test_the_readme_python_reads_every_patch(tmp_path, monkeypatch, con):
    """The code block "Into NumPy" runs as it stands, on a registry of its own making."""
    import duckdb
    import numpy as np
    import rasterio
    from conftest import EXTENSION

    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    small = ROOT / "test/data/small"
    con.execute(f"""
        CREATE TABLE grid AS FROM geo_patch_grid('{small}/land.tif', size := 6);
        CREATE TABLE files AS FROM geo_catalog_build('{small}/sst*.tif', filename_regex := '(?P<date>\\d{{8}})');
        COPY (FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)) TO '{tmp_path}/registry.parquet'""")
    monkeypatch.chdir(tmp_path)
    code = code.replace("build/release/geoquilt.duckdb_extension", EXTENSION)
    seen = {}
    exec(code.replace("# no copy: [patch, band, row, col]", "; out.append(x.copy())"), {"out": seen.setdefault("x", [])})
    got = np.concatenate(seen["x"])
    rows = con.execute("SELECT path, win.row_off, win.col_off FROM geoquilt.patch_registry('grid', 'files', val_year := 2019)").fetchall()
    want = np.stack([rasterio.open(p).read(masked=True)[:, r:r + 6, c:c + 6].filled(np.nan) for p, r, c in rows])
    assert got.shape == want.shape == (54, 1, 6, 6)
    np.testing.assert_array_equal(got, want)
