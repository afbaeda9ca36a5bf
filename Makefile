# make        builds build/release/geoquilt.duckdb_extension
# make demo   sets up everything and runs the main job on real data
# make test   passes the tests: Rust, SQL on three engines, Python against references
# make check  fmt, clippy, tidy, docs fresh, LOAD on every engine
# make loop   while working: a quick build, then the tests that T names (T='test/python/test_grid.py -k snap')
# make tidy   the invariants of docs/architecture.md, on the text of src/ alone
# make wheel  dist/geoquilt-*.whl: Python's package, with the extension inside
# make site   build/site/index.html: README, gallery and reference as pages with a search
# make repository KEY=key.pem  dist/repository: a signed folder from which DuckDB installs the extension
# make bench  ours against theirs, in one run; with BEFORE=an earlier geoquilt.duckdb_extension, that beside this
# make docs   writes docs/reference.md and the example tests from the functions' own documentation

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := release
.DELETE_ON_ERROR:

VERSION := v$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

# In CI a clone is new each time, and building GDAL takes minutes: what is built stays outside of it.
ifdef CI
KEEP := $(HOME)/.cache/geoquilt
export CARGO_TARGET_DIR ?= $(KEEP)/target
else
KEEP := $(CURDIR)/build
export CARGO_TARGET_DIR ?= $(CURDIR)/target
endif

CARGO := cargo
RELEASE := --release --locked
# The release profile but for geoquilt itself, so that GDAL and all other dependencies are those of the release build:
# a profile of its own would compile them once more.
QUICK := $(RELEASE) --config profile.release.incremental=true --config profile.release.package.geoquilt.opt-level=1 \
	--config profile.release.package.geoquilt.codegen-units=64
TIDY := CARGO_TARGET_DIR=$(KEEP)/tidy $(CARGO) run --quiet --locked --manifest-path test/tidy/Cargo.toml
SOURCES := $(shell git ls-files 'src/*.rs' 'test/*.rs' 2>/dev/null)
EXTENSION := build/release/geoquilt.duckdb_extension
ENGINES := 1.5.6 2.0.0
VENVS := $(foreach engine,$(ENGINES),$(KEEP)/venv-$(engine)/.ready)
SQLLOGICTEST := $(KEEP)/tools/bin/sqllogictest
export GEOQUILT_EXTENSION := $(CURDIR)/$(EXTENSION)
export GEOQUILT_TEST_CACHE := $(KEEP)/test

.PHONY: release setup demo test check loop tidy wheel site repository bench docs test-rust test-sql test-python clean

release: setup
	$(CARGO) build $(RELEASE)
	mkdir -p $(dir $(EXTENSION))
	.ci/package.sh "$(CARGO_TARGET_DIR)/release/libgeoquilt.so" $(EXTENSION) $(VERSION)
# Where DuckDB's community repository looks for it.
	mkdir -p build/release/extension/geoquilt
	ln -f $(EXTENSION) build/release/extension/geoquilt/geoquilt.duckdb_extension
	@echo "built $(EXTENSION) $(VERSION)"

setup:
	@.ci/setup.sh

$(KEEP)/venv-%/.ready: test/python/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet duckdb==$* $(if $(filter 1.5.6,$*),duckdb-cli==$*) -r test/python/requirements.txt
	touch $@

$(KEEP)/venv-site/.ready: site/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet -r $<
	cp $< $@

$(SQLLOGICTEST):
	CARGO_TARGET_DIR=$(KEEP)/tools/target $(CARGO) install --quiet --locked --root $(KEEP)/tools sqllogictest-bin --version 0.29.1
	rm -rf $(KEEP)/tools/target

demo: release
	demo/run.sh $(KEEP)/venv-demo

test: test-rust test-sql test-python

test-rust: release
	$(CARGO) test $(RELEASE)
	CARGO_TARGET_DIR=$(KEEP)/tidy $(CARGO) test --quiet --locked --manifest-path test/tidy/Cargo.toml

test-sql: release $(SQLLOGICTEST) $(VENVS)
	@run() { echo "SQL on $$1 $$2"; $(SQLLOGICTEST) 'test/sql/**/*.test' --engine external --external-engine-command-template \
		"$(KEEP)/venv-$$2/bin/python test/sql/engine.py $$1"; }; \
	run python 1.5.6; run python 2.0.0; run cli 1.5.6

# Both cores; what measures time or memory waits until it is alone. What no engine changes runs with the first of them (make test-python ONCE=
# for all with each).
ONCE ?= and not once
test-python: release $(VENVS)
	@part=; for engine in $(ENGINES); do \
		echo "Python $$engine"; \
		$(KEEP)/venv-$$engine/bin/python -m pytest -q -p no:cacheprovider -n 2 --dist loadfile -m "not alone $$part" test/python; part='$(ONCE)'; \
		$(KEEP)/venv-$$engine/bin/python -m pytest -q -p no:cacheprovider -m alone test/python; \
	done

check: release tidy $(VENVS)
	rustfmt --edition 2024 --check $(SOURCES)
	$(CARGO) clippy $(RELEASE) --all-targets -- -D warnings
	$(CARGO) test $(RELEASE) --test docs
	@for engine in $(ENGINES); do \
		$(KEEP)/venv-$$engine/bin/python -m pytest -q -p no:cacheprovider test/python/test_engines.py -k load; \
	done

tidy:
	@$(TIDY)

loop: tidy $(VENVS)
	$(CARGO) build --lib $(QUICK)
	mkdir -p build/loop
	.ci/package.sh "$(CARGO_TARGET_DIR)/release/libgeoquilt.so" build/loop/geoquilt.duckdb_extension $(VERSION)
	GEOQUILT_EXTENSION=$(CURDIR)/build/loop/geoquilt.duckdb_extension \
		$(KEEP)/venv-$(firstword $(ENGINES))/bin/python -m pytest -q -x -p no:cacheprovider $(or $(T),test/python/test_engines.py)

docs:
	GEOQUILT_WRITE_DOCS=1 $(CARGO) test $(RELEASE) --test docs

wheel: release
	python3 python/make_wheel.py $(EXTENSION) dist

site: $(KEEP)/venv-site/.ready
	NO_MKDOCS_2_WARNING=1 $(KEEP)/venv-site/bin/mkdocs build --strict -f site/mkdocs.yml

repository: release
	python3 .ci/repository.py $(EXTENSION) $(or $(KEY),key.pem) dist/repository $(addprefix v,$(ENGINES))

# What the builds of DuckDB's community repository call, besides `release`. One file serves every engine from 1.5.6 on, so that the version of
# DuckDB does not matter; in their container nothing but the build is done.
.PHONY: configure configure_ci set_duckdb_version set_duckdb_tag test_release
configure configure_ci: $(if $(filter 1,$(LINUX_CI_IN_DOCKER)),,setup)
set_duckdb_version set_duckdb_tag:
	@echo "one file serves DuckDB 1.5.6 and later"
test_release: $(if $(filter 1,$(LINUX_CI_IN_DOCKER) $(SKIP_TESTS)),,test-sql)

bench: release
	python3 -m venv $(KEEP)/venv-bench
	$(KEEP)/venv-bench/bin/pip install --quiet -r bench/requirements.txt
	$(KEEP)/venv-bench/bin/python $(if $(BEFORE),bench/compare.py $(BEFORE) $(EXTENSION),bench/bench.py) $(BENCH)

clean:
	rm -rf build dist demo/out
