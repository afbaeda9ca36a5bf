"""The command ``geoquilt``: DuckDB's shell with the extension in it."""
from __future__ import annotations

import os
import shutil
import sys

from ._library import extension_path


def main() -> int:
    """Opens the shell on the arguments that it is given."""
    beside = os.path.join(os.path.dirname(sys.executable), "duckdb")
    shell = beside if os.access(beside, os.X_OK) else shutil.which("duckdb")
    if shell is None:
        print("geoquilt: DuckDB's shell is not installed\npip install duckdb-cli, or open it from Python: geoquilt.connect()", file=sys.stderr)
        return 1
    load = "LOAD '{}'".format(extension_path().replace("'", "''"))
    os.execv(shell, [shell, "-unsigned", "-cmd", load, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
