# make night    a simulated night, from nothing to checked and merged DL2, in demo/
# make test     the tests
# make lint     what CI looks at
# make clean    remove what these made: the virtual environment and the demo

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
BASE ?= demo

.PHONY: night test lint clean
.DELETE_ON_ERROR:

night: $(VENV)/.installed
	$(BIN)/osa demo night --base $(BASE)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(VENV).part demo

# Each stamp is the last thing that its rule makes. Without one the environment may be half of one: killed while pip
# unpacked, it holds packages that pip takes for installed. So it is made anew.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python found. Install Python 3.11, or say where: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version): Python 3.11 or 3.12 is needed, make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the virtual environment $(VENV) with $(PYTHON) (once; some minutes, about 2 GB) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Adding what the tests and linters need ..."
	@$(PIP) -e '.[dev]'
	@touch $@
