# `make serve` on a fresh machine needs Python 3.11 or later with venv, and nothing else prepared.

# Servers start hundreds of times in a run of the tests: what is compiled is kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
# A pyenv shim may exist and yet not work: what counts is what runs.
PYTHONS := python3.11 python3.12 python3.13 python3
PYENV := $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions)
TESTS := tests
# Less of the matrices, where time is short: `make conformance SUITE=--cluster`.
SUITE := --matrix
CLIENTS := --serve
# Tests wait more than they compute: one worker more than there are cores.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n + 1 : 5)))
PYTEST := python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: install serve test test-3.13 check conformance clients bench image soak clean

install: $(VENV)/installed

serve: install
	@exec $(BIN)/blacklake serve

test: install
	$(BIN)/$(PYTEST) $(TESTS)
	@$(MAKE) --no-print-directory test-3.13

# The newest supported Python, wherever one is at hand, runs what reads formats; whole programs are run on it by the official suite
# and the clients, and over HTTP in `make soak`. What is about documents, databases and storage runs once.
AGAIN := jobs mediatypes oci sandbox scanners schemas signing
test-3.13:
	@python=$$($(call find-python,python3.13 $(wildcard $(PYENV)/3.13*/bin/python3.13),3,13)); \
	if [ -z "$$python" ]; then \
	  echo "python3.13 is not at hand: the tests ran on one version of Python only"; \
	elif $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))'; then \
	  echo "the tests have just run on Python 3.13"; \
	else \
	  $(MAKE) --no-print-directory VENV=.venv-3.13 PYTHONS="$$python" install && .venv-3.13/bin/$(PYTEST) $(addprefix tests/,$(AGAIN)); \
	fi

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: install
	$(BIN)/python -m conformance tools suite versitygw minio
	$(BIN)/python -m conformance suite $(SUITE)
	$(BIN)/python -m conformance ledger

clients: install
	$(BIN)/python -m conformance tools
	$(BIN)/python -m conformance clients $(CLIENTS)

bench: install
	$(BIN)/python -m bench

# As root, with buildah and debootstrap: builds the container image twice from nothing and runs it.
image: install
	$(BIN)/python -m pytest tests/deploy/test_image.py --image

soak: install
	ALL_SETUPS=1 $(BIN)/$(PYTEST) tests/http tests/lifecycle
	@ALL_SETUPS=1 $(MAKE) --no-print-directory test-3.13 AGAIN=http
	$(BIN)/python -m pytest tests/faults tests/db/test_statements.py tests/properties tests/storage/test_write_once.py \
		tests/http/test_api_schema.py tests/sandbox/test_hostile_files.py --soak

clean:
	rm -rf .venv .venv-3.13 build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Prints the first of the commands $(1) that runs and is Python $(2).$(3) or later, as a path; nothing when none is.
find-python = for candidate in $(1); do \
	  "$$candidate" -c 'import sys; sys.version_info >= ($(2), $(3)) or sys.exit(1); print(sys.executable)' 2>/dev/null && break; \
	done

$(VENV)/installed: requirements.lock pyproject.toml
	@python=$$($(call find-python,$(PYTHONS) $(wildcard $(PYENV)/3.1[1-9]*/bin/python3),3,11)); \
	if [ -z "$$python" ]; then \
	  echo "Blacklake needs Python 3.11 or later; none of these runs here: $(PYTHONS)" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python lacks venv; install it first, on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "installing into $(VENV) with $$python"; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
