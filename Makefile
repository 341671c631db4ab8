# Two commands are the whole set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint types docs bench kills sweep dist smoke clean

demo: $(INSTALLED)
	$(BIN)/padscope audit lite0 --out runs/lite0

test: lint types
	# One thread a process: two processes share two cores.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

# The tutorial is run: a few minutes, the first time.
docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[demo,docs]"
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

# About an hour; `make test` does a tenth of it.
kills: $(INSTALLED)
	$(BIN)/python -m benchmarks kills

# Every model that tests/sweep.csv lists, some hours; goes on where it was ended.
sweep: $(INSTALLED)
	$(BIN)/python -m benchmarks sweep

# Its tools have an environment of their own, and are fetched.
dist: $(INSTALLED)
	$(BIN)/python -m venv dist/.tools
	dist/.tools/bin/python -m pip install --quiet --disable-pip-version-check build twine check-wheel-contents
	rm -f dist/*.whl dist/*.tar.gz
	dist/.tools/bin/python -m build --outdir dist .
	dist/.tools/bin/python -m twine check --strict dist/*.whl dist/*.tar.gz
	dist/.tools/bin/check-wheel-contents dist/*.whl

# The wheel in two environments of its own: with the newest versions of all dependencies, and with
# the lowest that it states.
smoke: dist
	sed -n '/^dependencies/,/^\]/s/^  "\(.*\)>=\(.*\)",$$/\1==\2/p' pyproject.toml > dist/lowest.txt
	: > dist/newest.txt
	for versions in newest lowest; do \
	  $(PYTHON) -m venv --clear dist/.$$versions && \
	  dist/.$$versions/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint dist/$$versions.txt dist/*.whl && \
	  dist/.$$versions/bin/python tests/smoke.py || exit 1; \
	done

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[demo,dev]"
	touch $@

clean:
	rm -rf $(VENV) dist docs/_build runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
