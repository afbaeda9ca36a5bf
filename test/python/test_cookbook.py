"""docs/cookbook.md is what the tool prints, on the archive that it tells its reader to make."""
import re
import subprocess
import sys
from pathlib import Path

import geopandas
import pyarrow
import shapely

ROOT = Path(__file__).resolve().parents[2]


def test_every_statement_of_the_cookbook_prints_what_the_page_shows(con, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, ROOT / "test/data/make_archive.py", "archive"], check=True, timeout=120)
    page = (ROOT / "docs/cookbook.md").read_text()
    examples = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", page, re.S)
    assert len(examples) == page.count("```sql") == page.count("```text") >= 10
    for sql, shown in examples:
        con.execute(sql.strip().rstrip(";"))
        rows = ["\t".join(str(cell) for cell in row) for row in con.fetchall()]
        assert "\n".join(rows) + "\n" == shown, sql


def test_the_python_of_the_cookbook_runs(con, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, ROOT / "test/data/make_archive.py", "archive"], check=True, timeout=120)
    con.execute("CREATE TABLE modis AS FROM geo_catalog_build('archive/modis/*.tif', filename_regex := '_(?P<start>\\d{8})_(?P<stop>\\d{8})')")
    plot, frames = re.findall(r"```python\n(.*?)```", (ROOT / "docs/cookbook.md").read_text(), re.S)
    drawn = {}
    monkeypatch.setattr(geopandas.GeoDataFrame, "plot", lambda self, *a, **k: drawn.update(n=len(self), area=self.area.sum()))
    names = {"con": con, "geopandas": geopandas, "pyarrow": pyarrow}
    exec(plot, names)
    assert drawn["n"] > 1 and drawn["area"] == drawn["n"] * 100
    names["frame"] = geopandas.GeoDataFrame({"path": ["in", "out"]}, geometry=[shapely.box(1, 41, 2, 42), shapely.box(60, 0, 61, 1)], crs="EPSG:4326")
    exec(frames.replace("con.execute(", "got = con.execute("), names)
    assert [row[0] for row in names["got"].fetchall()] == ["in"]
