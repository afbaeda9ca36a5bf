#!/usr/bin/env bash
# The main job on real data: run.sh VENV. Called by `make demo`, which builds the extension first.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1

if [ ! -e "$venv/.ready" ] || [ demo/requirements.txt -nt "$venv/.ready" ]; then
    echo "installing the demo's Python packages"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet -r demo/requirements.txt
    touch "$venv/.ready"
fi
"$venv/bin/python" demo/prepare.py
"$venv/bin/duckdb" -unsigned -no-init -bail < demo/demo.sql
"$venv/bin/python" demo/pictures.py
echo
echo "Look at the pictures in demo/out/, world.png first; the SQL is demo/demo.sql."
