# Start with `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

# A second environment, on Python 3.13, for the tests that run without torch.
PYTHON_313 ?= $(lastword $(sort $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python)))
VENV_313 := .venv-3.13
READY_313 := $(VENV_313)/ready
WITHOUT_TORCH := tests/core/io tests/core/model/test_images.py tests/core/model/test_kernels.py \
  tests/core/model/test_stages.py tests/core/plugins/test_plugins.py tests/core/test_pipeline.py \
  tests/core/cli/test_app.py tests/core/cli/test_file_jobs.py tests/core/cli/test_looking.py \
  tests/core/cli/test_progress.py tests/core/cli/test_report_verb.py tests/core/cli/test_run.py \
  tests/plugins/formats tests/test_evidence.py tests/test_formats_page.py tests/test_reference.py

# A third one, with the oldest dependencies that are allowed, on Python 3.11.
PYTHON_311 ?= python3.11
VENV_OLDEST := .venv-oldest
READY_OLDEST := $(VENV_OLDEST)/ready

.PHONY: demo environments test test-3.13 test-oldest test-conda check format bench docs gpu gpu-pack clean

# With -j3 at the same time.
environments: $(READY) $(READY_OLDEST) $(if $(PYTHON_313),$(READY_313))  ## Make all environments of the tests.

demo: $(READY)  ## Deblur the photographs that ship with the project.
	$(BIN)/python examples/demo.py

# The serial tests measure time, which the probes for the coverage would lengthen.
SERIAL = $(sort $(shell grep -rl --include='test_*.py' 'mark\.serial' tests))

# The tests start some hundred processes, which need not compile every module anew.
test test-3.13 test-oldest: export PYTHONDONTWRITEBYTECODE :=

test: $(READY)  ## Run every test; print the 15 slowest and the coverage.
	OMP_NUM_THREADS=1 $(BIN)/python -m slipcover -m pytest -q -n 2 --dist loadfile -m "not serial" --durations=15
	$(BIN)/pytest -q -m serial --durations=15 $(SERIAL)

test-3.13:  ## Run the tests that need no torch on Python 3.13, where pyenv has it.
ifeq ($(PYTHON_313),)
	@echo "Python 3.13 was not found under ~/.pyenv; its tests were skipped."
else
	$(MAKE) $(READY_313)
	OMP_NUM_THREADS=1 $(VENV_313)/bin/pytest -q -n 2 --dist loadfile -m "not serial" $(WITHOUT_TORCH)
endif

test-oldest: $(READY_OLDEST)  ## Run the tests that need no torch with the oldest dependencies.
	OMP_NUM_THREADS=1 $(VENV_OLDEST)/bin/pytest -q -n 2 --dist loadfile -m "not serial" $(WITHOUT_TORCH)

test-conda: $(READY)  ## Build, install and run the conda recipe from a channel of this environment.
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[conda]"
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/conda_recipe.py --save

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

# Minutes, version of Python, device and folder of results of `make gpu`; see benchmarks/gpu/README.md.
MINUTES ?= 12
GPU_PYTHON ?= 3.12
DEVICE ?= cuda
OUT ?= gpu-results

gpu-pack: $(READY)  ## Collect the data and packages that `make gpu` needs where there is no network.
	$(BIN)/python benchmarks/gpu/gpu_pack.py ../shared/data build/gpu --python $(GPU_PYTHON)

# Runs with the Python of the machine, which has torch for its GPU.
gpu:  ## Train further and measure for a quarter of an hour on a GPU.
	$(PYTHON) -m pip install --quiet --no-index --no-deps --upgrade --target build/gpu/site build/gpu/wheels/*.whl
	PYTHONPATH=$(CURDIR)/core:$(CURDIR)/plugins:$(CURDIR)/build/gpu/site \
	  $(PYTHON) -u benchmarks/gpu/gpu_run.py --minutes $(MINUTES) --device $(DEVICE) --data build/gpu --out $(OUT)

docs: $(READY)  ## Build the manual; warnings are errors.
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/mkdocs build --strict

clean:  ## Remove the environment and all generated files.
	rm -rf $(VENV) $(VENV_313) $(VENV_OLDEST) demo-output site dist .mypy_cache .ruff_cache .pytest_cache

# The environment is rebuilt when pyproject.toml or constraints.txt changes.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(READY_313): pyproject.toml constraints-3.13.txt
	$(PYTHON_313) -m venv $(VENV_313)
	$(VENV_313)/bin/python -m pip install --quiet --upgrade pip
	$(VENV_313)/bin/pip install --quiet --requirement constraints-3.13.txt
	$(VENV_313)/bin/pip install --quiet --no-deps --editable .
	touch $@

$(READY_OLDEST): pyproject.toml constraints-oldest.txt
	$(PYTHON_311) -m venv $(VENV_OLDEST)
	$(VENV_OLDEST)/bin/python -m pip install --quiet --upgrade pip
	$(VENV_OLDEST)/bin/pip install --quiet --requirement constraints-oldest.txt
	$(VENV_OLDEST)/bin/pip install --quiet --no-deps --editable .
	touch $@
