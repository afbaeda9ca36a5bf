"""An engine for sqllogictest (`--engine external`): JSON {"sql": ...} in, {"result": rows} or {"err": ...} out.

    engine.py python    DuckDB's Python package, whichever this interpreter has
    engine.py cli       DuckDB's command-line client beside this interpreter

Cells are printed as DuckDB casts them to text, so that every engine prints the same.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = os.environ.get("GEOQUILT_EXTENSION", str(ROOT / "build/release/geoquilt.duckdb_extension"))


def show(cell):
    if cell is None:
        return "NULL"
    return str(cell) if cell != "" else "(empty)"


class Python:
    def __init__(self):
        import duckdb

        self.connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        self.run(f"LOAD '{EXTENSION}'")

    def run(self, sql):
        result = self.connection.sql(sql)
        if result is None:
            return []
        rows = result.project("COLUMNS(*)::VARCHAR").fetchall()
        return [[show(cell) for cell in row] for row in rows]


class Cli:
    END = "-- end of statement --"

    def __init__(self):
        program = Path(sys.executable).parent / "duckdb"
        self.process = subprocess.Popen(
            [program, "-unsigned", "-no-init", "-list", "-noheader", "-separator", "\t", "-nullvalue", "NULL"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.run(f"LOAD '{EXTENSION}'")

    def run(self, sql):
        self.process.stdin.write(f"{sql.rstrip().rstrip(';')};\n.print {self.END}\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.END:
                break
            lines.append(line.rstrip("\n"))
        else:
            raise RuntimeError("the client ended: " + "\n".join(lines))
        text = "\n".join(lines)
        if any(line.split(" Error:")[0] in ERRORS for line in lines if " Error:" in line):
            raise RuntimeError(text)
        return [line.split("\t") for line in lines]


ERRORS = {"Binder", "Catalog", "Parser", "Invalid Input", "Conversion", "IO", "Internal", "Not implemented",
          "Out of Range", "Constraint", "Serialization", "Permission", "Out of Memory", "HTTP", "INTERRUPT"}


def main():
    os.chdir(ROOT)
    engine = {"python": Python, "cli": Cli}[sys.argv[1]]()
    decoder, buffer = json.JSONDecoder(), ""
    while chunk := os.read(0, 1 << 16):
        buffer += chunk.decode()
        while buffer := buffer.lstrip():
            try:
                request, end = decoder.raw_decode(buffer)
            except json.JSONDecodeError:
                break
            buffer = buffer[end:]
            try:
                answer = {"result": engine.run(request["sql"])}
            except Exception as error:
                answer = {"err": str(error)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
