# Everything sets itself up: python3 (3.11 or newer), make and git are enough. `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FAST := .venv-fast
FAST_READY := $(FAST)/.ready
OLD_REDIS := $(VENV)/share/redis-4.5.3
WORKERS ?= 2

export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV

# A uv on the PATH counts if it runs and is young enough for dependency groups; else one of our own comes from PyPI.
UV := $(shell uv sync --all-groups --help >/dev/null 2>&1 && command -v uv || echo .venv-uv/bin/uv)

CORE_TESTS := tests/base tests/wire tests/tcp tests/stack tests/property
WHEELS_FOR := 3.11 3.12 3.13

PROGRAMS := chromium curl ethtool ip nmap tshark nginx nft sysctl
PACKAGES := chromium curl ethtool iproute2 nmap tshark nginx-light nftables procps

# Stacks of others: some from Debian, some from the Python package index in an environment of their own, with a Python
# that the wheels of all of them are for, if there is one.
PEERS := .venv-peers
PEER_PYTHON = $(firstword $(shell for python in python3.13 python3.12 $$HOME/.pyenv/versions/3.1[23].*/bin/python; do \
	"$$python" -c 'import sys; print(sys.executable)' 2>/dev/null; done) $(PYTHON))
PEER_PACKAGES := gcc g++ golang-go golang-gvisor-gvisor-dev iproute2 liblwip-dev libns3-dev nftables passt slirp4netns \
	valgrind

# pytest says 5 when it found no test, which is no failure for a choice such as ARGS="-k reset".
FAILED = { code=$$?; [ $$code = 5 ] && [ -n "$(strip $(subst ",,$(ARGS)))" ] || status=$$code; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check coverage bench bench-peers bench-peers-apt bench-instructions bench-fast fuzz fast test-fast wheels format conformance apt clean

help:  ## what there is to make (this)
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 24

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

bench-peers: $(READY) $(FAST_READY) $(PEERS)/.ready  ## the same questions to other stacks too, in the same run; ONLY=name as above
	@$(BIN)/python -m bench --peers $(ONLY)

bench-instructions: $(READY)  ## whether anything costs more instructions than what is stored
	@$(BIN)/python -m bench.instructions $(ARGS)

bench-peers-apt:  ## the packages that bench-peers measures and compiles against (Debian, as root)
	@export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	apt-get -qq update && apt-get -qq install --no-install-recommends $(PEER_PACKAGES) >/dev/null

fuzz: $(READY)  ## the property tests, with many times the examples
	@HALFOPEN_FUZZ_SEEDS=20000 HALFOPEN_FUZZ_FRAMES=20000000 $(BIN)/pytest -n $(WORKERS) --hypothesis-profile=fuzz \
		--timeout=3600 tests/property tests/stack/test_fuzz.py $(ARGS)

fast: $(FAST_READY)  ## the compiled build, in an environment of its own: .venv-fast/bin/halfopen
	@$(FAST)/bin/halfopen --version

test-fast: $(READY) $(FAST_READY)  ## the core's tests on the compiled build, and the same traces from both
	$(FAST)/bin/pytest -n $(WORKERS) $(CORE_TESTS) $(ARGS)
	$(BIN)/python -m tools.traces --against $(FAST)/bin/python

bench-fast: $(FAST_READY)  ## as bench, with the compiled build
	@$(FAST)/bin/python -m bench $(ONLY)

wheels: | $(UV)  ## in dist: a pure wheel, and a compiled one for each CPython that is here
	@rm -rf dist; $(UV) build --quiet --sdist --wheel --out-dir dist
	@for version in $(WHEELS_FOR); do \
		$(UV) python find --quiet $$version >/dev/null 2>&1 || { echo "There is no CPython $$version here: no wheel."; continue; }; \
		HALFOPEN_USE_MYPYC=1 $(UV) build --quiet --wheel --python $$version --out-dir dist dist/*.tar.gz || exit 1; \
	done; ls dist

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
	rm -rf $(VENV) $(FAST) .venv-uv $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# By way of a source archive: all of one moment, and nothing compiled ever lies beside the source.
$(FAST_READY): pyproject.toml uv.lock hatch_build.py $(shell find src -name '*.py') | $(UV)
	$(require_python)
	@command -v $${CC:-cc} >/dev/null || { echo "The compiled build needs a C compiler: apt install gcc"; exit 1; }
	@echo "Compiling for $(FAST), some minutes ..." >&2
	@rm -rf $(FAST)/wheel
	@UV_PROJECT_ENVIRONMENT=$(FAST) $(UV) sync --quiet --locked --all-extras --no-install-project \
		--python "$$(command -v "$(PYTHON)")"
	@HALFOPEN_USE_MYPYC=1 $(UV) build --quiet --python $(FAST)/bin/python --out-dir $(FAST)/wheel
	@$(UV) pip install --quiet --python $(FAST)/bin/python --no-deps --reinstall $(FAST)/wheel/*.whl
	@touch $@

# Set-up, done again only when what it depends on has changed.
$(READY): pyproject.toml uv.lock tests/sim/libraries/redis-4.5.3.txt | $(UV)
	$(require_python)
	@echo "Setting up $(VENV) ..." >&2
	@$(UV) sync --quiet --locked --all-extras --python "$$(command -v "$(PYTHON)")"
	@$(UV) pip install --quiet --python $(BIN)/python --target $(OLD_REDIS) --no-deps --require-hashes \
		--requirement tests/sim/libraries/redis-4.5.3.txt
	@touch $@

$(PEERS)/.ready: bench/others/requirements.txt | $(UV)
	@echo "Setting up $(PEERS) ..." >&2
	@$(UV) venv --quiet --clear --python "$$(command -v "$(PEER_PYTHON)")" $(PEERS)
	@$(UV) pip install --quiet --python $(PEERS)/bin/python --requirement $<
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
