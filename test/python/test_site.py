"""make site: built strictly, and opened in a browser where there is one: its pictures, its ways from page to page, its search."""
import fcntl
import json
import os
import shutil
import subprocess
import sys

import duckdb
import pytest
from conftest import CACHE, ROOT
from PIL import Image

pytestmark = pytest.mark.skipif(duckdb.__version__ != "1.5.6", reason="the site is the same whatever the engine")
BROWSERS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
PARTS = ["site", "docs", "demo", "README.md", "CHANGELOG.md"]


@pytest.fixture(scope="module")
def tools():
    """The folder of programs of the site's own environment, the one that make site uses."""
    home = CACHE.parent / "venv-site"
    wanted = (ROOT / "site/requirements.txt").read_text()
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = home / ".ready"
        if not ready.exists() or ready.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            subprocess.run([str(home / "bin/pip"), "install", "-q", "-r", str(ROOT / "site/requirements.txt")], check=True)
            ready.write_text(wanted)
    return home / "bin"


def build(tools, root, site):
    """mkdocs, strictly, on the pages of a folder; --quiet would have it pass over its own warnings."""
    return subprocess.run([tools / "mkdocs", "build", "--strict", "-f", root / "site/mkdocs.yml", "-d", site],
                          capture_output=True, text=True, timeout=300, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})


@pytest.fixture(scope="module")
def site(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made = build(tools, ROOT, folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_every_page_and_picture_is_there_and_every_function_has_a_heading(con, site):
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    written = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages == written | {"index", "CHANGELOG", "404"}
    for picture in (ROOT / "docs").rglob("*.png"):
        assert (site / picture.relative_to(ROOT / "docs")).read_bytes() == picture.read_bytes()
    reference = (site / "reference.html").read_text()
    for name, in con.sql("SELECT DISTINCT name FROM geoquilt_functions()").fetchall():
        assert f'<h2 id="{name.removeprefix("geoquilt.")}-' in reference, name
    # A list under a paragraph is a list here too, and a pipe in code is one pipe.
    assert "<li>source:" in reference and "VARCHAR | STRUCT(" in reference and "\\|" not in reference


def test_a_broken_link_is_no_site(tools, tmp_path):
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tmp_path / part, ignore=shutil.ignore_patterns("out", "reference.md"))
        else:
            shutil.copy(source, tmp_path / part)
    (tmp_path / "docs/reference.md").write_text("# Reference\n\n## geo_patch_grid (table)\n")
    made = build(tools, tmp_path, tmp_path / "out")
    assert made.returncode == 0, made.stderr
    wrong = {"nowhere.md": "[a page](nowhere.md)", "reference.md#no_such_function": "[a heading](reference.md#no_such_function)",
             "nowhere.png": "![a picture](docs/nowhere.png)", "/reference.md": "[absolute](/reference.md)"}
    with open(tmp_path / "README.md", "a") as page:
        page.write("\n" + "\n".join(wrong.values()) + "\n")
    made = build(tools, tmp_path, tmp_path / "out")
    assert made.returncode != 0 and made.stderr.count("WARNING") == len(wrong), made.stderr
    for link in wrong:
        assert any("index.md" in line and link in line for line in made.stderr.splitlines()), link


def test_a_reader_finds_pictures_pages_and_functions(tools, site, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"there is no browser: apt-get install {BROWSERS[0]}")
    answer = subprocess.run([tools / "python", ROOT / "test/python/browse.py", site, browser, tmp_path], capture_output=True, text=True, timeout=600)
    assert answer.returncode == 0, answer.stderr[-3000:]
    seen = json.loads(answer.stdout)
    assert seen["errors"] == [] and seen["elsewhere"] == []
    assert seen["home"]["title"] == "geoquilt" and seen["home"]["pictures"] and seen["home"]["rows"] > 40
    assert seen["page"] == {"heading": "Leakage shown and closed", "pictures": ["leakage.png"]}
    assert any(link.endswith("#patch_leakage-table-macro") for link in seen["found"])
    assert seen["reference"]["heading"] == "patch_leakage (table macro)" and seen["reference"]["items"] >= 3
    for shot in ("home", "page", "search", "reference"):
        assert len(Image.open(tmp_path / f"{shot}.png").convert("RGB").getcolors(1 << 24)) > 50
