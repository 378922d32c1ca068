# Start with `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: demo test check format bench docs clean

demo: $(READY)  ## Deblur the photograph that ships with the project.
	$(BIN)/python examples/demo.py

test: $(READY)  ## Run every test; print the 15 slowest and the coverage.
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile -m "not serial" --durations=15 --cov --cov-report=
	$(BIN)/pytest -q -m serial --durations=15 --cov --cov-append --cov-report=term

check: $(READY)  ## Style, types, and the layers of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy core/unblur
	$(BIN)/lint-imports --no-cache

format: $(READY)  ## Format the code, and fix what ruff can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## Rebuild the tables under benchmarks/results, other tools included.
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python benchmarks/run.py

docs: $(READY)  ## Build the manual; warnings are errors.
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/mkdocs build --strict

clean:  ## Remove the environment and all generated files.
	rm -rf $(VENV) demo-output site dist .mypy_cache .ruff_cache .pytest_cache

# The environment is rebuilt when pyproject.toml or constraints.txt changes.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
