"""docs/gallery: every page runs from top to bottom, prints what it shows, and draws the pictures that lie beside it.

GEOQUILT_WRITE_DOCS=1 writes both anew; look at the pictures then.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import duckdb
import numpy as np
import pytest
from conftest import EXTENSION, ROOT
from gallery import BLOCK, run
from PIL import Image
from range_server import RangeServer

GALLERY = ROOT / "docs/gallery"
PAGES = sorted(path.stem for path in GALLERY.glob("*.md") if path.stem != "index")
WRITE = os.environ.get("GEOQUILT_WRITE_DOCS") == "1"
#: Pictures take no more of the repository than this.
MOST = 100_000


def check(page, printed, folder):
    """What a page printed and drew is what it shows."""
    path = GALLERY / f"{page}.md"
    text = path.read_text()
    pictures = re.findall(r"^!\[[^\]]+\]\((\S+\.png)\)$", text, re.M)
    assert pictures and all(name.startswith(page) for name in pictures)
    if WRITE:
        told = iter(printed)

        def shown(match):
            said = next(told)
            return f"```python\n{match[1]}```" + (f"\n\n```text\n{said}```" if said else "")

        path.write_text(BLOCK.sub(shown, text))
        for name in pictures:
            Image.open(folder / name).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(GALLERY / name, optimize=True)
        return
    shown = [re.sub(r"^\s*```text\n|```$", "", block) for _, block in BLOCK.findall(text)]
    assert printed == shown
    for name in pictures:
        new, kept = (np.asarray(Image.open(where / name).convert("RGB"), float) for where in (folder, GALLERY))
        assert (GALLERY / name).stat().st_size < MOST and new.std() > 5
        # The one that is kept has 128 colours.
        assert new.shape == kept.shape and abs(new - kept).mean() < 4, f"{name} shows something else than it did"


def apart(python, page, folder, *replace):
    """What a page printed in a process of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env = {**clean, "PYTHONPATH": str(ROOT / "python"), "GEOQUILT_EXTENSION": EXTENSION, "OMP_NUM_THREADS": "1"}
    script = pathlib.Path(__file__).parent / "gallery.py"
    answer = subprocess.run([python, script, GALLERY / f"{page}.md", *replace], capture_output=True, text=True, timeout=240, env=env, cwd=folder)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_the_list_of_pages_is_whole_and_they_open_as_notebooks():
    index = (GALLERY / "index.md").read_text()
    assert re.findall(r"\(([\w-]+)\.md\)", index) and set(re.findall(r"\(([\w-]+)\.md\)", index)) == set(PAGES)
    for page in PAGES:
        assert (GALLERY / f"{page}.md").read_text().startswith("---\njupyter:\n  jupytext:\n"), page
    assert {path.name for path in GALLERY.iterdir() if path.suffix != ".md"} == {
        name for page in PAGES for name in re.findall(r"\]\((\S+\.png)\)", (GALLERY / f"{page}.md").read_text())}


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ("ocean-training", "bucket")])
def test_a_page_runs_and_shows_what_it_says(page, tmp_path, monkeypatch):
    if page == "million-files" and duckdb.__version__ != "1.5.6":
        pytest.skip("a million rows are made for one engine alone")
    monkeypatch.chdir(tmp_path)
    check(page, run((GALLERY / f"{page}.md").read_text()), tmp_path)


def test_the_page_of_a_bucket_runs_on_a_server_of_this_machine(tmp_path, monkeypatch):
    # The files of the first hour, which the page says the bucket holds.
    made = re.findall(r"```python\n(.*?)```", (GALLERY / "first-hour.md").read_text(), re.S)[:2]
    (tmp_path / "bucket").mkdir()
    monkeypatch.chdir(tmp_path / "bucket")
    run("\n\n".join(f"```python\n{code}```" for code in made))
    server = RangeServer(tmp_path / "bucket")
    try:
        # Not in the server's own process: while a relation is bound, Python stands still there.
        printed = apart(sys.executable, "bucket", tmp_path, "https://bucket.example.com", server.url("").rstrip("/"))
    finally:
        server.close()
    check("bucket", printed, tmp_path)
    assert {request.path for request in server.requests if request.status in (200, 206)} == {f"air/air_{year}.tif" for year in range(2000, 2008)}


@pytest.mark.skipif(duckdb.__version__ != "1.5.6", reason="the environment with torch has one engine")
def test_the_page_that_trains_runs_where_torch_is(tmp_path, torch_python):
    check("ocean-training", apart(torch_python, "ocean-training", tmp_path), tmp_path)
