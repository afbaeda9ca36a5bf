"""Two builds of the extension beside each other: every row of the benchmark, both in one table.

    python bench/compare.py BEFORE.duckdb_extension AFTER.duckdb_extension [--only a,b] [--rounds 2] [--repeats 4]

Each letter runs with one build, then with the other, in processes of their own, as many rounds as are asked for. A time is the best
of all rounds; `x` is before / after. `theirs` moved by as much as the machine did between the two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import ROWS
from common import HERE


def run(extension, letter, repeats, out):
    command = [sys.executable, str(HERE / "bench.py"), "--only", letter, "--repeats", str(repeats), "--out", str(out)]
    done = subprocess.run(command, env=os.environ | {"GEOQUILT_EXTENSION": str(extension)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{letter} with {extension}:\n{done.stdout}{done.stderr}")
    return json.loads(Path(out).read_text())


def best(letter, rows, times):
    """Rows by their order: the text of some holds what was measured."""
    for number, row in enumerate(rows):
        work, theirs, ours = times.setdefault((letter, number), (row["work"], None, None))
        lower = lambda old, new: new if old is None else old if new is None else min(old, new)
        times[letter, number] = work, lower(theirs, row["theirs"]), lower(ours, row["ours"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", default=",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=4)
    args = parser.parse_args()
    builds = {"before": args.before.resolve(strict=True), "after": args.after.resolve(strict=True)}
    times = {name: {} for name in builds}
    with tempfile.TemporaryDirectory() as work:
        for letter in args.only.split(","):
            for _ in range(args.rounds):
                for name, extension in builds.items():
                    best(letter, run(extension, letter, args.repeats, Path(work) / "rows.json"), times[name])
    print("| work | before s | after s | x | theirs, then and now |\n|---|---|---|---|---|")
    for row, (work, theirs, ours) in times["before"].items():
        _, now_theirs, now = times["after"].get(row, (None, None, None))
        if ours is None or now is None:
            continue
        moved = f"{theirs:.4f}, {now_theirs:.4f}" if theirs and now_theirs else ""
        print(f"| {work.replace('|', '/')} | {ours:.4f} | {now:.4f} | {ours / now:.2f} | {moved} |")


if __name__ == "__main__":
    main()
