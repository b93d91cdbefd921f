# make night    a simulated night, from nothing to checked and merged DL2, in demo/
# make test     the tests; those with a real SLURM are skipped where there can be none, or with OSA_NO_SLURM=1 (CONTRIBUTING.md)
# make quick    three thousand of the tests, in about a minute
# make simulate the SLURM engine through 100,000 simulated nights (make simulate NIGHTS=1000 for a few)
# make lint     what CI looks at
# make clean    remove what these made: the virtual environment and the demo

# The first that runs and fits; a name in the PATH may be an empty shell.
FITS := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))'
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p $(FITS) 2>/dev/null && command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
BASE ?= demo
NIGHTS ?= 100000

.PHONY: night test quick simulate lint clean

night: $(VENV)/.installed
	$(BIN)/osa demo night --base $(BASE)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n logical --maxprocesses 8

quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/fast -m 'not slow' -n logical --maxprocesses 8

simulate: $(VENV)/.installed-dev
	$(BIN)/python -m tests.simulation --nights $(NIGHTS) --json

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) demo

# The stamp is made last. Without it the environment may be half of one: what a killed pip unpacked, the next one takes
# for installed. So it is made anew.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(or $(PYTHON),false) $(FITS) || { echo "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making the virtual environment $(VENV) with $(PYTHON) (once; some minutes, about 2 GB) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Adding what the tests and linters need ..."
	@rm $(VENV)/.installed
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.installed $@
