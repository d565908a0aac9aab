# The two commands of the README are `make demo` and `make test`; each does everything by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test check bench fuzz format clean

demo: $(INSTALLED)
	$(BIN)/ingest demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 4 --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/drift

bench: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks.upload

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz
	$(BIN)/python -m tests.fuzz.metadata

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) dist build

# Written last, so that an interrupted installation does not count; --clear, so that nothing of it is left over.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	  "$(PYTHON) is not Python 3.11 or newer. Install one and name it: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo >&2 \
	  "$(PYTHON) cannot make a virtual environment. Install its venv module (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	@echo "Installing into $(VENV), once; this takes about a minute."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
