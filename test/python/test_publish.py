"""What is published: the descriptor says what the crate says, the targets that DuckDB's community builds call are there, and a signed folder installs."""
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import duckdb
import pytest
import yaml
from conftest import EXTENSION, ROOT

CRATE = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
SCRIPT = ROOT / ".ci/repository.py"
ENGINE = f"v{duckdb.__version__}"


def test_the_descriptor_says_what_the_crate_says_and_its_example_runs(con):
    told = yaml.safe_load((ROOT / "description.yml").read_text())
    assert set(told) == {"extension", "repo", "docs"} and set(told["docs"]) == {"hello_world", "extended_description"}
    extension = told["extension"]
    assert (extension["name"], extension["version"], extension["license"]) == (CRATE["name"], CRATE["version"], CRATE["license"])
    assert told["repo"]["ref"] == f"v{CRATE['version']}" and extension["language"] == "Rust" and "rust" in extension["requires_toolchains"].split(";")
    assert "linux_amd64" not in extension["excluded_platforms"].split(";")
    assert con.sql(told["docs"]["hello_world"]).fetchall() == [(72, {"xmin": -180.0, "ymin": 60.0, "xmax": -150.0, "ymax": 90.0})]
    names = {name for name, in con.sql("SELECT name FROM geoquilt_functions()").fetchall()}
    assert set(re.findall(r"\b(geo_\w+)\(", told["docs"]["hello_world"] + told["docs"]["extended_description"])) <= names


def made(*targets, **env):
    """What make would do."""
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "CI")}
    answer = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, env={**clean, **env})
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_targets_that_community_builds_call_are_there():
    for target in ("set_duckdb_version", "set_duckdb_tag", "configure", "configure_ci", "release", "test_release"):
        made(target, DUCKDB_GIT_VERSION="v2.0.0", DUCKDB_PLATFORM="linux_amd64")
    release = made("release")
    assert "cargo build --release" in release and release.index("package.sh") < release.index("build/release/extension/geoquilt/geoquilt.duckdb_extension")
    # In their container nothing is installed and nothing is tested; outside both are.
    assert "setup.sh" in made("configure_ci") and "setup.sh" not in made("configure_ci", LINUX_CI_IN_DOCKER="1")
    assert "sqllogictest" in made("test_release")
    for skipped in ({"LINUX_CI_IN_DOCKER": "1"}, {"SKIP_TESTS": "1"}):
        assert "sqllogictest" not in made("test_release", **skipped)
    assert ".ci/repository.py" in made("repository", "KEY=key.pem") and "v1.5.6 v2.0.0" in made("repository", "KEY=key.pem")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl makes and uses the keys")
    path = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    return path


def lay_out(folder, key, extension=EXTENSION, versions=(ENGINE,)):
    return subprocess.run([sys.executable, SCRIPT, extension, key, folder, *versions], capture_output=True, text=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory, key):
    folder = tmp_path_factory.mktemp("repository")
    answer = lay_out(folder, key)
    assert answer.returncode == 0, answer.stderr
    return folder


def install(folder, home, unsigned=False):
    """A connection that installed and loaded geoquilt from a folder; nothing of it stays at home."""
    trust = {} if ENGINE < "v2" else {"extension_repository_directory": str(home / "trust")}
    con = duckdb.connect(config={**trust, **({"allow_unsigned_extensions": "true"} if unsigned else {})})
    con.execute(f"SET extension_directory = '{home}/extensions'")
    if ENGINE < "v2":
        con.execute(f"INSTALL geoquilt FROM '{folder}'; LOAD geoquilt")
    else:
        con.execute(f"SET allow_extension_repositories = 'allowed'; CREATE EXTENSION REPOSITORY own WITH PREFIX '{folder}'")
        con.execute("INSTALL geoquilt FROM own; LOAD geoquilt FROM own")
    return con


def test_the_engine_installs_from_the_folder(repository, tmp_path):
    """DuckDB 2.0 by its signature alone; 1.5 knows no keys but its own."""
    if ENGINE < "v2":
        with pytest.raises(duckdb.Error, match="signature"):
            install(repository, tmp_path)
    con = install(repository, tmp_path, unsigned=ENGINE < "v2")
    assert con.sql("SELECT count(*) > 100 FROM geoquilt_functions()").fetchall() == [(True,)]
    # The folder's file is the one under test but for its signature.
    file, = repository.rglob("geoquilt.duckdb_extension")
    assert file.relative_to(repository).parts[:2] == (ENGINE, "linux_amd64")
    with open(EXTENSION, "rb") as under_test:
        assert file.read_bytes()[:-256] == under_test.read()[:-256]


@pytest.mark.skipif(ENGINE < "v2", reason="DuckDB 1.5 knows no keys but its own")
def test_a_file_that_was_changed_or_signed_by_another_is_refused(repository, key, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(repository, changed, ignore=shutil.ignore_patterns("*.gz"))
    file, = changed.rglob("geoquilt.duckdb_extension")
    with open(file, "r+b") as body:
        body.seek(1000)
        byte = body.read(1)
        body.seek(1000)
        body.write(bytes([byte[0] ^ 1]))
    with pytest.raises(duckdb.Error, match="signature"):
        install(changed, tmp_path / "a")
    other = tmp_path / "other"
    subprocess.run(["openssl", "genrsa", "-out", tmp_path / "other.pem", "2048"], check=True, capture_output=True)
    shutil.copytree(repository, other, ignore=shutil.ignore_patterns("*.gz"))
    public = subprocess.run(["openssl", "rsa", "-in", tmp_path / "other.pem", "-pubout"], check=True, capture_output=True, text=True).stdout
    (other / ".well-known/duckdb-extension-repo.json").write_text(json.dumps({"signature_keys": [public]}))
    with pytest.raises(duckdb.Error, match="signature"):
        install(other, tmp_path / "b")


def test_a_folder_is_refused_without_a_key_of_the_right_size_or_a_version(key, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"\0" * 1000)
    for said, answer in (
        (f'"{tmp_path}/none.pem" is no key: make repository KEY=key.pem', lay_out(tmp_path / "out", tmp_path / "none.pem")),
        ('"2.0.0" is no version of DuckDB: say v1.5.6 v2.0.0', lay_out(tmp_path / "out", key, versions=("2.0.0",))),
        ('"" is no version of DuckDB', lay_out(tmp_path / "out", key, versions=())),
    ):
        assert answer.returncode != 0 and answer.stderr.startswith(said), answer.stderr
    subprocess.run(["openssl", "genrsa", "-out", tmp_path / "long.pem", "4096"], check=True, capture_output=True)
    answer = lay_out(tmp_path / "out", tmp_path / "long.pem", small)
    assert answer.returncode != 0 and "signs in 512 bytes, and DuckDB takes 256" in answer.stderr
    assert not (tmp_path / "out").exists()


def test_the_checklist_names_files_and_targets_that_there_are():
    text = (ROOT / "docs/releasing.md").read_text()
    targets = set(re.findall(r"^([a-z_-]+(?: [a-z_-]+)*):(?!=)", (ROOT / "Makefile").read_text(), re.M))
    targets = {target for line in targets for target in line.split()}
    named = set(re.findall(r"\bmake (\w+)", text)) | set(re.findall(r"`(\w+)`", text.split("| target |")[1].split("\n\n")[0])) - {"LINUX_CI_IN_DOCKER", "SKIP_TESTS"}
    assert len(named) > 10 and named <= targets
    for file in ("Cargo.toml", "Cargo.lock", "description.yml", "CHANGELOG.md", ".ci/setup.sh"):
        assert f"`{file}`" in text and (ROOT / file).exists()
