# Two commands do everything, set-up included:
#   make demo    build, then watch a killed server lose nothing
#   make test    build, then all Rust and Python tests, pytest against the installed wheel
# and three more:
#   make bench   measure; QUICK=1 takes at most 45 s; writes benches/results/latest.json
#   make compare measure beside other libraries for logging; QUICK=1 takes a minute; writes benches/results/compare.md
#   make check   formatting, lints, types, and bounded forms of ci/*.sh
# It needs Python 3.11 or newer with venv, gcc (for `check` g++ and strace too), cargo 1.90 or newer, and make. The virtual
# environment is .venv; pip and cargo use the machine's own configuration.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
CARGO ?= cargo
VENV := .venv
PY := $(VENV)/bin/python
# The installed package is what runs: neither the caller's PYTHONPATH nor the working directory is searched.
export PYTHONSAFEPATH := 1
unexport PYTHONPATH
unexport PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Crates that link Python look at the environment's interpreter, not at whichever is first on PATH.
export PYO3_PYTHON := $(abspath $(PY))

# Whatever goes into the wheel. Folders are listed too, so that a removed file counts as a change.
SOURCES := pyproject.toml Cargo.toml Cargo.lock README.md LICENSE-MIT LICENSE-APACHE \
	$(shell find rust python \( -name __pycache__ -o -name target \) -prune -o \
		\( -type d -o -name '*.rs' -o -name '*.toml' -o -name '*.py' -o -name '*.pyi' -o -name py.typed \) -print)

CREATED := $(VENV)/created.stamp
TOOLS := $(VENV)/tools.stamp
INSTALLED := $(VENV)/installed.stamp
PEERS := $(VENV)/peers
# More than two processors have something to do: half of what tests do is wait. 0: all in one process, for a debugger.
PYTEST_WORKERS ?= 3
BENCH_FLAGS := $(if $(QUICK),--quick,) $(BENCH_ARGS)

.PHONY: help demo test test-rust test-python bench compare check check-rust check-python check-ci install wheel clean
help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(INSTALLED)
	$(PY) -m printk_ring demo $(DEMO_ARGS)

test: test-rust test-python

# The binding is a shared library for an interpreter: it is tested from there. Its Rust code is linted by `check`.
test-rust: $(CREATED)
	$(CARGO) test --locked --workspace --exclude pr-python

test-python: $(INSTALLED) $(TOOLS)
	$(PY) -m pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS)

bench: $(INSTALLED) $(TOOLS)
	$(PY) benches/run.py $(BENCH_FLAGS)

compare: $(INSTALLED) $(TOOLS) $(PEERS)/missing.json
	$(PY) -P benches/compare/run.py --packages $(PEERS) $(if $(QUICK),--quick,) $(COMPARE_ARGS)

check: check-rust check-python check-ci

check-rust: $(CREATED)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) check --quiet --locked --package pr-python --features abi3
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet

check-python: $(INSTALLED) $(TOOLS)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

check-ci: $(INSTALLED) $(TOOLS)
	ci/all.sh

install: $(INSTALLED)

wheel: $(CREATED)
	$(PY) -m pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build target .mypy_cache .ruff_cache .pytest_cache .benchmarks

# An environment whose interpreter is gone (an upgraded Python), or that was moved with its folder, is made anew.
ifneq ($(shell $(PY) -c 'print(open("$(CREATED)").read().strip())' 2>/dev/null),$(abspath $(VENV)))
.PHONY: $(CREATED)
endif

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	echo '$(abspath $(VENV))' >$@

# `--group` is read by pip 25.1 and newer.
$(TOOLS): pyproject.toml $(CREATED)
	$(PY) -m pip install --quiet --upgrade 'pip>=25.1'
	$(PY) -m pip install --quiet --group dev
	touch $@

# The libraries that are compared, in a folder of their own: nothing else sees them.
$(PEERS)/missing.json: benches/compare/requirements.txt benches/compare/install.py $(TOOLS)
	rm -rf $(PEERS)
	$(PY) benches/compare/install.py $(PEERS)

$(INSTALLED): $(SOURCES) $(CREATED)
	$(PY) -m pip install --quiet --force-reinstall --no-deps .
	touch $@
