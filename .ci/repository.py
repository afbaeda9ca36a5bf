"""Lays out a folder from which DuckDB installs geoquilt: repository.py EXTENSION KEY FOLDER VERSION...

A file for each engine's version and this platform, as it lies and compressed (over HTTP engines ask for the latter), signed with an RSA key, whose
public half stands in .well-known/duckdb-extension-repo.json. DuckDB 2.0 trusts it by CREATE EXTENSION REPOSITORY; 1.5 installs from it unsigned.
"""
import gzip
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

#: Bytes at a file's end that hold its signature, and those that are hashed at once.
SIGNATURE, CHUNK = 256, 1 << 20


def digest(body):
    """What DuckDB signs: the hash of the hashes of a file's pieces."""
    pieces = (hashlib.sha256(body[at:at + CHUNK]).digest() for at in range(0, len(body), CHUNK))
    return hashlib.sha256(b"".join(pieces)).digest()


def openssl(*arguments, given=b""):
    """What openssl answers, or its words."""
    made = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True)
    if made.returncode:
        raise SystemExit(f"openssl {arguments[0]}: {made.stderr.decode().strip()}")
    return made.stdout


def signed(file, key):
    """The extension with its signature."""
    body = file[:-SIGNATURE]
    with tempfile.NamedTemporaryFile() as hashed:
        hashed.write(digest(body))
        hashed.flush()
        signature = openssl("pkeyutl", "-sign", "-in", hashed.name, "-inkey", key, "-pkeyopt", "digest:sha256")
    if len(signature) != SIGNATURE:
        raise SystemExit(f'"{key}" signs in {len(signature)} bytes, and DuckDB takes {SIGNATURE}: make a key of 2048 bits, openssl genrsa -out {key} 2048')
    return body + signature


def platform(file):
    """What the footer says the file is for: the third of its fields from the end."""
    fields = [file[at:at + 32].rstrip(b"\0").decode() for at in range(len(file) - SIGNATURE - 8 * 32, len(file) - SIGNATURE, 32)]
    return fields[6]


def main(extension, key, folder, *versions):
    if not pathlib.Path(key).is_file():
        raise SystemExit(f'"{key}" is no key: make repository KEY=key.pem\nMake one with openssl genrsa -out key.pem 2048, and keep it')
    wrong = [version for version in versions if not re.fullmatch(r"v\d+\.\d+\.\d+", version)]
    if wrong or not versions:
        raise SystemExit(f'"{" ".join(wrong)}" is no version of DuckDB: say v1.5.6 v2.0.0')
    file = signed(pathlib.Path(extension).read_bytes(), key)
    folder = pathlib.Path(folder)
    # The same bytes each time, so that nothing changes where nothing did.
    packed = gzip.compress(file, 6, mtime=0)
    for version in versions:
        place = folder / version / platform(file)
        place.mkdir(parents=True, exist_ok=True)
        (place / "geoquilt.duckdb_extension").write_bytes(file)
        (place / "geoquilt.duckdb_extension.gz").write_bytes(packed)
        print(place / "geoquilt.duckdb_extension")
    public = openssl("rsa", "-in", key, "-pubout").decode()
    (folder / ".well-known").mkdir(exist_ok=True)
    (folder / ".well-known/duckdb-extension-repo.json").write_text(json.dumps({"signature_keys": [public]}, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
