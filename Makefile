# Everything runs in .venv, which the first target that needs it creates from constraints.txt; what compares with Thinc
# runs in .venv-peer, so that neither Thinc nor what it brings along is there when the tests run.
# Only Python (3.10 or newer) and make are needed: `make demo`, `make test`, `make help`.

PYTHON ?= python3
PYTEST_ARGS ?= -n 2
# Without torch, whose wheel from the Python Package Index brings CUDA along on Linux: make test TEST_EXTRAS=demo,test
TEST_EXTRAS ?= demo,test,torch
# What test-arm runs: all that runs kernels.
ARM_TESTS ?= tests/backends tests/fusion tests/kernels/test_pairs.py tests/kernels/test_products.py tests/kernels/test_reduce.py tests/layers
ASV_ARGS ?= --quick
# What CI samples: half a minute.
ASV_SAMPLE ?= Import|FirstBatch|Latency|LayerNorm
BENCH_ARGS ?=
BENCH_EXTRAS ?=
FUZZ_ARGS ?= -max_total_time=60
CUDA ?= cuda13x

VENV := .venv
BIN := $(VENV)/bin
PEER := .venv-peer
OLDEST := .venv-mypy-oldest
OLDEST_MYPY := 1.18.2
PIP := -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
# The build backend is installed, and pinned, like everything else: no isolation.
INSTALL := $(BIN)/python $(PIP) --no-build-isolation
RECIPE := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo gpu-check test test-main test-cuda-sim test-all test-arm test-arm-sample test-peer typecheck mypy mypy-oldest pyright stubtest lint format fuzz bench asv asv-sample bench-models docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       train a small tagger and show what it learnt"
	@echo "make test       the tests, then the kernels in Numba's CUDA simulator"
	@echo "make test-all   the same with the slow sweeps"
	@echo "make test-arm   kernels as machine code of 64-bit ARM, in an emulator (x86-64 Linux; ARM_TESTS=tests/fusion)"
	@echo "make test-peer  the tests that compare with Thinc from PyPI"
	@echo "make typecheck  mypy --strict, pyright, and stubs/ beside the packages it describes"
	@echo "make mypy-oldest  the mypy plugin under the oldest mypy that it supports"
	@echo "make lint       ruff: rules and formatting (make format mends)"
	@echo "make fuzz       malformed models and checkpoints for a minute (FUZZ_ARGS=-max_total_time=3600)"
	@echo "make bench      every operation beside Thinc and PyTorch (BENCH_ARGS=\"--op gelu --threads 1\")"
	@echo "make asv        the benchmarks that asv tracks, quickly (ASV_ARGS= for the long run)"
	@echo "make asv-sample a few of them, as CI does"
	@echo "make bench-models  whole models beside Thinc and PyTorch (BENCH_ARGS=--quick for a glance), and JAX (BENCH_EXTRAS=jax)"
	@echo "make gpu-check  the operations on an NVIDIA GPU beside the CPU's, with times (needs CuPy)"
	@echo "make docs       run the documentation's examples, write the API reference to build/docs"
	@echo "make clean      remove .venv and everything built"

# Each stamp is newer than the recipe it was installed from, so a second `make` installs nothing.
$(VENV)/python.stamp $(PEER)/python.stamp:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no '$(PYTHON)' here. Name a Python: make PYTHON=python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "thinc_nb needs Python 3.10 or newer; \
	this one is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@echo "Creating $(@D) ..."
	@"$(PYTHON)" -m venv --clear $(@D)
	@touch $@

$(VENV)/backend.stamp: $(VENV)/python.stamp $(RECIPE)
	@$(BIN)/python $(PIP) pip hatchling
	@touch $@

$(VENV)/demo.stamp: $(VENV)/backend.stamp
	@echo "Installing thinc_nb and what the demo needs (about 100 MB, once) ..."
	@$(INSTALL) --editable ".[demo]"
	@touch $@

$(VENV)/test.stamp: $(VENV)/backend.stamp
	@echo "Installing thinc_nb and what the tests need: 270 MB, and torch of 200 MB or more, once (see TEST_EXTRAS) ..."
	@$(INSTALL) --editable ".[$(TEST_EXTRAS)]"
	@touch $@

$(VENV)/lint.stamp: $(VENV)/backend.stamp
	@$(INSTALL) ruff
	@touch $@

$(VENV)/typecheck.stamp: $(VENV)/test.stamp
	@echo "Installing the type checkers (about 80 MB, once) ..."
	@$(INSTALL) mypy "pyright[nodejs]"
	@touch $@

# Everything but mypy is that of .venv, which the .pth file adds behind it.
$(OLDEST)/mypy-$(OLDEST_MYPY).stamp: $(VENV)/typecheck.stamp
	@$(BIN)/python -m venv --clear --without-pip $(@D)
	@$(BIN)/python -m pip --disable-pip-version-check --quiet --python $(OLDEST)/bin/python install --no-deps mypy==$(OLDEST_MYPY)
	@here=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	echo "import site; site.addsitedir('$$here')" > \
	"$$($(OLDEST)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/of-venv.pth"
	@touch $@

$(PEER)/peer.stamp: $(PEER)/python.stamp $(RECIPE)
	@echo "Installing thinc_nb beside Thinc (as large as the tests, once) ..."
	@$(PEER)/bin/python $(PIP) pip hatchling
	@$(PEER)/bin/python $(PIP) --no-build-isolation --editable ".[$(TEST_EXTRAS)]" "thinc==9.1.1"
	@touch $@

$(VENV)/asv.stamp: $(VENV)/demo.stamp
	@$(INSTALL) asv
	@touch $@

$(VENV)/fuzz.stamp: $(VENV)/demo.stamp
	@$(INSTALL) --only-binary atheris atheris || { echo "There is no wheel of atheris for this Python on this \
	platform. It has some for CPython 3.10 to 3.13 on x86-64 Linux: make clean, then make PYTHON=python3.12 fuzz" >&2; exit 1; }
	@touch $@

$(VENV)/arm.stamp: $(VENV)/test.stamp
	@$(INSTALL) unicorn
	@touch $@

$(VENV)/docs.stamp: $(VENV)/test.stamp
	@$(INSTALL) --editable ".[docs]"
	@touch $@

demo: $(VENV)/demo.stamp
	@$(BIN)/thinc-nb demo

test: test-main test-cuda-sim

test-main: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The simulator replaces numba.cuda when numba is imported: a process of its own.
test-cuda-sim: $(VENV)/test.stamp
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/python -m pytest $(PYTEST_ARGS) -m "cuda_sim and not slow" tests/cuda_sim

test-all: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not peer and not gpu and not spacy"
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/python -m pytest $(PYTEST_ARGS) -m cuda_sim tests/cuda_sim

test-arm: $(VENV)/arm.stamp
	PYTHONPATH=tests $(BIN)/python -m pytest -p emulated_arm -m "not slow" $(ARM_TESTS)

# What CI runs: most kernels, in a minute.
test-arm-sample: override ARM_TESTS := tests/fusion tests/kernels/test_pairs.py
test-arm-sample: test-arm

test-peer: $(PEER)/peer.stamp
	$(PEER)/bin/python -m pytest $(PYTEST_ARGS) -m "peer and not slow"

typecheck: mypy pyright stubtest

mypy: $(VENV)/typecheck.stamp
	$(BIN)/python -m mypy

mypy-oldest: $(OLDEST)/mypy-$(OLDEST_MYPY).stamp
	$(OLDEST)/bin/python -m mypy --version | grep -F "mypy $(OLDEST_MYPY)"
	$(OLDEST)/bin/python -m pytest $(PYTEST_ARGS) --dist loadfile tests/mypy/test_cases.py tests/mypy/test_modes.py

pyright: $(VENV)/typecheck.stamp
	$(BIN)/python -m pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest tests/mypy/test_pyright.py

stubtest: $(VENV)/typecheck.stamp
	$(BIN)/python -m pytest tests/test_stubs.py

lint: $(VENV)/lint.stamp
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check

format: $(VENV)/lint.stamp
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

# What it finds is left in build/; to try it again: .venv/bin/python fuzz/fuzz_bytes.py build/crash-...
fuzz: $(VENV)/fuzz.stamp
	@mkdir -p build
	$(BIN)/python fuzz/fuzz_bytes.py -artifact_prefix=build/ $(FUZZ_ARGS)

bench: $(PEER)/peer.stamp
	$(PEER)/bin/python benchmarks/ops.py $(BENCH_ARGS)

# asv keeps what it measures in this environment only if it is told for which commit: in asv_benchmarks/.asv/results.
asv: $(VENV)/asv.stamp
	cd asv_benchmarks && ../$(BIN)/python -m asv machine --yes
	cd asv_benchmarks && ../$(BIN)/python -m asv run --python=same --set-commit-hash="$$(git rev-parse HEAD)" $(ASV_ARGS)

asv-sample: override ASV_ARGS := --quick --bench '$(ASV_SAMPLE)'
asv-sample: asv

# Beside JAX too: make bench-models BENCH_EXTRAS=jax
bench-models: $(PEER)/peer.stamp
	@if [ -n "$(BENCH_EXTRAS)" ]; then $(PEER)/bin/python $(PIP) --no-build-isolation --editable ".[$(BENCH_EXTRAS)]"; fi
	$(PEER)/bin/python benchmarks/models.py $(BENCH_ARGS)

# Which of the CUDA extras fits is for the machine to say: make gpu-check CUDA=cuda12x
gpu-check: $(VENV)/test.stamp
	@if command -v nvidia-smi >/dev/null; then $(INSTALL) --editable ".[test,$(CUDA)]"; fi
	@$(BIN)/python -m thinc_nb.gpu_check

docs: $(VENV)/docs.stamp
	$(BIN)/python -m pytest tests/test_docs.py
	rm -rf build/docs
	$(BIN)/python -m pdoc --output-directory build/docs thinc_nb

clean:
	rm -rf $(VENV) $(PEER) $(OLDEST) build dist demo-out .tox .hypothesis .mypy_cache .pytest_cache .ruff_cache asv_benchmarks/.asv
	find src tests asv_benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
