# Everything sets itself up: python3 (3.11 or newer), make and git are enough. `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLD_REDIS := $(VENV)/share/redis-4.5.3
WORKERS ?= 2

export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV

# A uv on the PATH counts if it runs and is young enough for dependency groups; else one of our own comes from PyPI.
UV := $(shell uv sync --all-groups --help >/dev/null 2>&1 && command -v uv || echo .venv-uv/bin/uv)

PROGRAMS := chromium curl ethtool ip nmap tshark nginx nft sysctl
PACKAGES := chromium curl ethtool iproute2 nmap tshark nginx-light nftables procps

# pytest says 5 when it found no test, which is no failure for a choice such as ARGS="-k reset".
FAILED = { code=$$?; [ $$code = 5 ] && [ -n "$(strip $(subst ",,$(ARGS)))" ] || status=$$code; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check coverage bench fuzz format conformance apt clean

help:  ## what there is to make (this)
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(READY)  ## data between our TCP and the kernel's, shown and verified
	@$(BIN)/halfopen demo $(ARGS)

test: $(READY)  ## all tests; says at its end what was skipped, and what to install
	@status=0; \
	$(BIN)/pytest -n $(WORKERS) --ignore=tests/interop $(ARGS) || $(FAILED); \
	$(BIN)/pytest tests/interop $(ARGS) || $(FAILED); \
	exit $$status

check: $(READY)  ## format, lint, types, import contracts, limits, dependencies, conformance, coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/limits.py
	$(BIN)/deptry src
	$(BIN)/python -m tools.conformance --check
	$(BIN)/python -m tools.coverage_by_module

coverage: $(READY)  ## branches of each core module that its own test file reaches
	$(BIN)/python -m tools.coverage_by_module $(ARGS)

bench: $(READY)  ## every benchmark, or those that ONLY=name names
	@$(BIN)/python -m bench $(ONLY)

fuzz: $(READY)  ## the property tests, with many times the examples
	@HALFOPEN_FUZZ_SEEDS=20000 HALFOPEN_FUZZ_FRAMES=20000000 $(BIN)/pytest -n $(WORKERS) --hypothesis-profile=fuzz \
		--timeout=3600 tests/property tests/stack/test_fuzz.py $(ARGS)

format: $(READY)  ## put the source into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

conformance: $(READY)  ## write docs/conformance.md from the marks of the tests
	$(BIN)/python -m tools.conformance

apt:  ## the programs that some tests want (Debian, as root)
	@missing=; \
	for program in $(PROGRAMS); do \
		PATH="$$PATH:/usr/sbin:/sbin" command -v $$program >/dev/null || missing="$$missing $$program"; \
	done; \
	if [ -z "$$missing" ]; then echo "All programs are here: $(PROGRAMS)."; exit 0; fi; \
	echo "Missing:$$missing."; \
	command -v apt-get >/dev/null || { echo "There is no apt-get here; install them with your system's own tool."; exit 1; }; \
	[ "$$(id -u)" = 0 ] || { echo "Installing them needs root: sudo make apt"; exit 1; }; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	apt-get -qq update && apt-get -qq install --no-install-recommends $(PACKAGES) >/dev/null

clean:  ## remove what was made here: environments, caches, captures
	rm -rf $(VENV) .venv-uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up, done again only when what it depends on has changed.
$(READY): pyproject.toml uv.lock tests/sim/libraries/redis-4.5.3.txt | $(UV)
	$(require_python)
	@echo "Setting up $(VENV) ..." >&2
	@$(UV) sync --quiet --locked --all-extras --python "$$(command -v "$(PYTHON)")"
	@$(UV) pip install --quiet --python $(BIN)/python --target $(OLD_REDIS) --no-deps --require-hashes \
		--requirement tests/sim/libraries/redis-4.5.3.txt
	@touch $@

.venv-uv/bin/uv:
	$(require_python)
	@"$(PYTHON)" -m venv .venv-uv >/dev/null 2>&1 || { \
		rm -rf .venv-uv; echo "$(PYTHON) cannot make virtual environments: apt install python3-venv"; exit 1; }
	@.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

define require_python
@command -v "$(PYTHON)" >/dev/null || { \
	echo "There is no $(PYTHON) here; halfopen needs Python 3.11 or newer: make PYTHON=/path/to/one"; exit 1; }; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "halfopen needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V): make PYTHON=/path/to/another"; exit 1; }
endef
