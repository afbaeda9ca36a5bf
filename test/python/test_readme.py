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
