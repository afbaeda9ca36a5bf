"""Calls that nobody would write: the examples of every function with other values in them, and calls made of signatures. Whatever is
asked for, the answer is rows or an error of the user's, and an interrupt ends it.

More of them: GEOQUILT_CALLS=1000-3000 (seeds) pytest test/python/test_generated_calls.py"""
import os
import random
import re
import shutil

import pytest
from conftest import OPEN_EXTENSION, ROOT, run_python

# What is put in the place of a number, a text, or anything.
NUMBERS = ["0", "-1", "1", "2", "3", "255", "65536", "1000000000", "2147483647", "2147483648", "-2147483648", "9223372036854775807", "(-9223372036854775808)", "18446744073709551615",
           "1.5", "-0.0", "0.1", "1e-308", "1e308", "'nan'::DOUBLE", "'inf'::DOUBLE", "'-inf'::DOUBLE", "NULL", "170141183460469231731687303715884105727", "1.25::DECIMAL(9, 2)", "16777217", "100000001"]
TEXTS = ["''", "'x'", "'é'", "NULL", "'" + "a" * 5000 + "'", "'../x'", "'/dev/null'", "'{}'", "'{'", "'%'", "'a\tb'", "chr(0)", "'EPSG:32632'", "'EPSG:3031'", "'OGC:CRS84'", "'EPSG:0'", "'mean'", "'median'", "'hann'",
         "'sphere'", "'random'", "'poisson_disk'", "'2020'", "'2020-02-30'", "'0001-01-01'", "'bilinear'", "'average'", "'explicit'", "'b1 / b2'", "'bit(b1, b1)'", "'where(b1, b2, nan)'", "'temp'", "'lon'"]
ANYTHING = ["NULL", "[]", "[NULL]", "[[1.0, 2.0]]", "{a: 1}", "{row_off: 0, col_off: 0, height: 3, width: 3}", "{row_off: -2, col_off: 1, height: 9, width: 2147483647}", "{start: [0, 0], size: [2, 2]}",
            "{xmin: -180, ymin: -90, xmax: 180, ymax: 90}", "{xmin: 1, ymin: 1, xmax: 1, ymax: 1}", "geo_slice({xmin: 0, ymin: 0, xmax: 40, ymax: 40}, 5, 'OGC:CRS84')", "true", "false", "DATE '2020-01-01'",
            "TIMESTAMP '294247-01-10 04:00:54.775806'", "TIMESTAMP 'infinity'", "TIMESTAMP '290309-12-22 (BC) 00:00:00'", "INTERVAL 0 DAY", "INTERVAL (-3) MONTH", "INTERVAL 178000000 YEAR", "INTERVAL 1 MICROSECOND", "INTERVAL 7 DAY",
            "[1, 2, 3, 4]::FLOAT[]", "[1, NULL, 3, 4]::TINYINT[]", "[9007199254740993]::BIGINT[]", "[2, 2]", "[1, 2, 2]", "[0, 0]", "[1, 9223372036854775807, 2]", "[4, 1]", "[TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02', NULL]",
            "'POINT (1 2)'::GEOMETRY", "'POINT EMPTY'::GEOMETRY", "'POLYGON ((0 0, 1 0, 1 1, 0 0))'::GEOMETRY", "'GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 9e9 9e9))'::GEOMETRY", "['POINT (1 2)'::GEOMETRY]",
            "[{x: 1.0, y: 2.0}, {x: 1.0, y: 2.0}, {x: 181.0, y: 90.0}]", "[{n: 1, mean: 1.0, std: 0.0, min: 1.0, max: 1.0}]", "MAP {'a': 'b'}", "'x'::BLOB", "[{path: 'test/data/small/sst_20180101.tif', win: {row_off: 0, col_off: 0, height: 2, width: 2}}]"]
PATHS = ["'test/data/small/" + name + "'" for name in ("sst_20180101.tif", "sst_*.tif", "land.tif", "tagged.tif", "ocean.zarr", "sst.nc", "regions.geojson", "catalog_0.parquet", "item.json", "none.tif")]
TOKEN = re.compile(r"'(?:[^']|'')*'|(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])|\[[^\[\]]*\]|\{[^{}]*\}|\b(?:true|false|NULL)\b")


def changed(rng, sql):
    """A statement with some of its values replaced, left out, or swapped."""
    for _ in range(rng.choice([1, 1, 1, 2, 3, 5])):
        tokens = list(TOKEN.finditer(sql))
        if not tokens:
            return sql
        token = rng.choice(tokens)
        text = token.group()
        kind = rng.random()
        if kind < 0.1:
            other = rng.choice(tokens)
            new = other.group()
        elif kind < 0.3:
            new = rng.choice(ANYTHING)
        elif text.startswith("'"):
            new = rng.choice(PATHS if "/" in text and rng.random() < 0.6 else TEXTS)
        elif text[0] in "[{" and rng.random() < 0.6:
            inside = list(TOKEN.finditer(text[1:-1]))
            if not inside:
                new = rng.choice(ANYTHING)
            else:
                one = rng.choice(inside)
                new = text[:1 + one.start()] + rng.choice(NUMBERS + TEXTS[:6] + ANYTHING) + text[1 + one.end():]
        else:
            new = rng.choice(NUMBERS)
        sql = sql[:token.start()] + new + sql[token.end():]
    # DuckDB itself takes half a minute to leave a list of 10^8 numbers, and has a defect of its own in unnest.
    sql = re.sub(r"recursive := [^,)]*", "recursive := true", sql)
    return re.sub(r"\brange\(\d{7,}\)", "range(1000000)", sql)


def value(rng, type, name):
    """A value that a parameter of a type might have, or might not."""
    one = rng.choice(type.split(" | "))
    if rng.random() < 0.12:
        return rng.choice(ANYTHING + NUMBERS + TEXTS)
    if one == "VARCHAR":
        return rng.choice(PATHS if name in ("path", "source", "mask", "registry", "catalog", "paths", "points", "shape") or rng.random() < 0.2 else TEXTS)
    if one in ("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "UBIGINT"):
        return rng.choice(NUMBERS)
    if one == "BOOLEAN":
        return rng.choice(["true", "false"])
    if one.endswith("[]"):
        inside = [value(rng, one[:-2], name) for _ in range(rng.choice([0, 1, 2, 4]))]
        return "[" + ", ".join(inside) + "]" + (f"::{one}" if one[:-2] in ("DOUBLE", "BIGINT", "FLOAT", "TIMESTAMP", "VARCHAR") and rng.random() < 0.7 else "")
    if one in ("INTERVAL", "TIMESTAMP", "DATE", "GEOMETRY", "STRUCT"):
        return rng.choice([v for v in ANYTHING if one in v or one == "STRUCT" and v.startswith("{")])
    return rng.choice(ANYTHING)


def called(rng, name, kind, parameters):
    """A call made of a signature."""
    given = {how: [p for p in parameters if p["given"] == how] for how in ("required", "optional", "named", "option")}
    values = [value(rng, p["type"], p["name"]) for p in given["required"]]
    values += [value(rng, p["type"], p["name"]) for p in given["optional"] if p["name"] != "options" and rng.random() < 0.5]
    some = lambda all: rng.sample(all, rng.choice([0, 0, 1, min(2, len(all)), min(4, len(all))]) if all else 0)
    if given["option"]:
        options = [f"{p['name']}: {value(rng, p['type'], p['name'])}" for p in some(given["option"])]
        values += ["{" + ", ".join(options) + "}"] if options else []
    values += [f"{p['name']} := {value(rng, p['type'], p['name'])}" for p in some(given["named"])]
    call = f"{name}({', '.join(values)})"
    return f"SELECT count(*), count(COLUMNS(*)) FROM (FROM {call} LIMIT 3000)" if kind.startswith("table") else f"SELECT {call} FROM range({rng.choice([1, 1, 3])})"


def statements(functions, seeds):
    for seed in seeds:
        rng = random.Random(seed)
        name, kind, parameters, examples = rng.choice(functions)
        if kind == "copy" or examples and rng.random() < 0.6:
            sql = changed(rng, rng.choice(examples)["sql"])
        else:
            sql = called(rng, name, kind, parameters)
        yield seed, sql


RUN = OPEN_EXTENSION + """
import os, threading, time
os.chdir(FOLDER)
from test_generated_calls import statements
con.execute("SET memory_limit = '1500MB'; SET threads = 2; SET geoquilt_max_chunk_mb = 256")
functions = con.execute("SELECT name, kind, parameters, examples FROM geoquilt_functions() ORDER BY ALL").fetchall()
began, told = [None], [None]

def watch():
    while True:
        time.sleep(0.1)
        if began[0] and time.monotonic() - began[0] > 4:
            con.interrupt()
            told[0] = told[0] or time.monotonic()
            if time.monotonic() - told[0] > 20:
                print('STUCK', flush=True)
                os._exit(3)

threading.Thread(target=watch, daemon=True).start()
for seed, sql in statements(functions, range(FIRST, LAST)):
    print(seed, repr(sql), flush=True)
    told[0], began[0] = None, time.monotonic()
    try:
        con.execute(sql).fetchall()
    except Exception as error:
        said = str(error)
        assert not any(word in said for word in ('defect of geoquilt', 'INTERNAL Error', 'panick', 'not valid UTF')), said
    began[0] = None
    assert told[0] is None or time.monotonic() - told[0] < 8, f'it went on for {time.monotonic() - told[0]} s after an interrupt'
    assert con.execute('SELECT 42').fetchone() == (42,)
print('survived')
"""

FIRST, LAST = (int(n) for n in os.environ.get("GEOQUILT_CALLS", "0-1200").split("-"))


@pytest.mark.parametrize("first", range(FIRST, LAST, 150))
def test_whatever_is_called_the_answer_is_rows_or_an_error(tmp_path, first):
    shutil.copytree(ROOT / "test/data/small", tmp_path / "test/data/small")
    os.makedirs(tmp_path / "build")
    code = RUN.replace("FOLDER", repr(str(tmp_path))).replace("FIRST", str(first)).replace("LAST", str(min(first + 150, LAST)))
    done = run_python("import resource; resource.setrlimit(resource.RLIMIT_AS, (14 << 30, 14 << 30))\n" + code, timeout=1500)
    assert done.returncode == 0 and "survived" in done.stdout, f"exit {done.returncode} at {done.stdout.splitlines()[-1:]}: {done.stderr[-1500:]}"
