# Start with `make demo` and `make test`.
# Python 3.13 where pyenv has it, else python3; each with its tested set of packages.
PYTHON ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python) python3)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
CONSTRAINTS := $(firstword $(wildcard constraints-$(VERSION).txt) constraints.txt)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

# A second environment, on the oldest Python and without torch.
PYTHON_311 ?= $(lastword $(sort $(wildcard $(HOME)/.pyenv/versions/3.11*/bin/python)))
VENV_311 := .venv-3.11
READY_311 := $(VENV_311)/ready
PACKAGES_WITHOUT_TORCH := astropy "dask[array]" distributed hypothesis imagecodecs jsonschema numpy \
  ome-zarr-models photutils pillow pluggy psutil pydantic pydantic-zarr pytest pytest-timeout \
  pytest-xdist pyyaml rich safetensors scikit-image scipy tifffile typer xarray zarr
WITHOUT_TORCH := tests/core/io tests/core/model/test_images.py tests/core/model/test_kernels.py \
  tests/core/model/test_stages.py tests/core/plugins/test_plugins.py tests/core/test_pipeline.py \
  tests/core/cli/test_app.py tests/core/cli/test_file_jobs.py tests/core/cli/test_looking.py \
  tests/core/cli/test_progress.py tests/core/cli/test_report_verb.py tests/core/cli/test_run.py \
  tests/test_evidence.py tests/test_formats_page.py tests/test_reference.py

.PHONY: demo test test-3.11 check format bench docs clean

demo: $(READY)  ## Deblur the photograph that ships with the project.
	$(BIN)/python examples/demo.py

# From Python 3.12 on the interpreter reports executed lines itself, at a tenth of a tracer's cost.
COVERAGE_CORE = $(if $(filter 3.11,$(VERSION)),ctrace,sysmon)
# The serial tests measure time, which tracing for the coverage would lengthen.
SERIAL = $(sort $(shell grep -rl --include='test_*.py' 'mark\.serial' tests))

test: $(READY)  ## Run every test; print the 15 slowest and the coverage.
	COVERAGE_CORE=$(COVERAGE_CORE) OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile \
	  -m "not serial" --durations=15 --cov --cov-report=term
	$(BIN)/pytest -q -m serial --durations=15 $(SERIAL)

test-3.11:  ## Run the tests that need no torch on Python 3.11, where pyenv has it.
ifeq ($(PYTHON_311),)
	@echo "Python 3.11 was not found under ~/.pyenv; its tests were skipped."
else
	$(MAKE) $(READY_311)
	OMP_NUM_THREADS=1 $(VENV_311)/bin/pytest -q -n 2 --dist loadfile -m "not serial" $(WITHOUT_TORCH)
endif

check: $(READY)  ## Style, types, and the layers of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy core/unblur
	$(BIN)/lint-imports --no-cache

format: $(READY)  ## Format the code, and fix what ruff can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## Rebuild the tables under benchmarks/results, other tools included.
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable ".[bench]"
	$(BIN)/python benchmarks/run.py

docs: $(READY)  ## Build the manual; warnings are errors.
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable ".[docs]"
	$(BIN)/mkdocs build --strict

clean:  ## Remove the environment and all generated files.
	rm -rf $(VENV) $(VENV_311) demo-output site dist .mypy_cache .ruff_cache .pytest_cache

# The environment is rebuilt when pyproject.toml or the constraints change.
$(READY): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable ".[dev]"
	touch $@

$(READY_311): pyproject.toml constraints.txt
	$(PYTHON_311) -m venv $(VENV_311)
	$(VENV_311)/bin/python -m pip install --quiet --upgrade pip
	$(VENV_311)/bin/pip install --quiet --constraint constraints.txt $(PACKAGES_WITHOUT_TORCH)
	$(VENV_311)/bin/pip install --quiet --no-deps --editable .
	touch $@
