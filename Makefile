# `make demo` and `make test` need only Python 3.11 and make: they set up .venv first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
DEMO ?= demo
WORKERS ?= 2
CASES ?= 60000
N ?= 20
SEED ?= 0
BENCH ?= bench
BENCHMARKS ?= network_cpu end_to_end_cpu blocks_cpu training_cpu scaling_cpu compression data_cpu

.PHONY: demo docs weights-wheel test test-slow test-grid test-kill tf217 test-tf217 ops fuzz attack bench bench-quick lint format clean
.DEFAULT_GOAL := demo

# The stamps are newer than what they were made from, so nothing is installed twice.
.venv/core: setup.cfg pyproject.toml constraints.txt weights/setup.cfg
	@echo "setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 10) <= v[:2] < (3, 14) and f"Python 3.10 to 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --constraint constraints.txt --editable . --editable ./weights
	@touch $@

.venv/test: .venv/core
	@echo "installing what the tests and benchmarks need (once) ..."
	@$(PIP) install --constraint constraints.txt --editable '.[test]'
	@# The first asks for an old absl-py, which only its own tests import; of the second only
	@# the table of labels is wanted, which ours is held against.
	@$(PIP) install --constraint constraints.txt --no-deps tensorflow-model-optimization cityscapesScripts
	@touch $@

# Train, evaluate, predict and export on generated road scenes; every step is the
# command you would use on your own data. Ctrl-C stops, the next `make demo` goes on.
demo: .venv/core
	$(BIN)/hyperseg-tf data scenes $(DEMO)/data
	$(BIN)/hyperseg-tf train demo --data $(DEMO)/data --out $(DEMO)/run
	$(BIN)/hyperseg-tf evaluate $(DEMO)/run/model.keras --data $(DEMO)/data --json $(DEMO)/evaluation.json
	$(BIN)/hyperseg-tf predict $(DEMO)/run/model.keras $(DEMO)/data/val/images --out $(DEMO)/predictions
	$(BIN)/hyperseg-tf export $(DEMO)/run/model.keras --format saved_model --out $(DEMO)/saved_model --overwrite
	$(BIN)/python -I examples/segment.py $(DEMO)/saved_model $(DEMO)/data/val/images/0000.png $(DEMO)/served.png
	@echo
	@echo "The pictures:"
	@echo "  $(DEMO)/run/curve.png                 loss and mIoU by epoch"
	@echo "  $(DEMO)/run/overlays/                 image, label, prediction after each epoch"
	@echo "  $(DEMO)/predictions/                  class maps and overlays of the held-out scenes"
	@echo "  $(DEMO)/evaluation_confusion.png      what is taken for what"
	@echo "  $(DEMO)/served.png                    made by the export, without this project's code"

# TF-TRT is in TensorFlow up to 2.17 only, which needs older versions of what it depends on
# and Python 3.10 to 3.12.
.venv-tf217/core: setup.cfg pyproject.toml requirements-tf217.txt
	@echo "setting up .venv-tf217 (once; a few minutes) ..."
	@test -x .venv-tf217/bin/python || $(PYTHON) -m venv .venv-tf217
	@.venv-tf217/bin/pip --disable-pip-version-check --quiet install --requirement requirements-tf217.txt
	@.venv-tf217/bin/pip --disable-pip-version-check --quiet install --no-deps --editable .
	@touch $@

tf217: .venv-tf217/core

test: .venv/test
	$(BIN)/python -m pytest -n $(WORKERS)

test-slow: .venv/test
	$(BIN)/python -m pytest -n $(WORKERS) -m "slow and not grid" --durations=25

# Every published architecture in every export format, some of which are in `make
# test-slow`, and what is like another that is there.
test-grid: .venv/test
	$(BIN)/python -m pytest -n 0 -m "grid or slow" tests/export/test_presets.py
	$(BIN)/python -m pytest -n $(WORKERS) -m grid --deselect tests/export/test_presets.py

# What needs both environments: outputs under TensorFlow 2.17 equal those of 2.21, and the
# TF-TRT export there goes as far as NVIDIA's libraries let it.
test-tf217: .venv/test .venv-tf217/core
	$(BIN)/python -m pytest -m tf217 tests/export/test_tf217.py

# The trained models as a package of their own, in dist/.
weights-wheel: .venv/core
	$(PIP) wheel --no-deps --wheel-dir dist ./weights

# The site, strictly, in site/; nothing of the library is run for it.
.venv-docs/core: requirements-docs.txt
	@test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/pip --disable-pip-version-check --quiet install --requirement requirements-docs.txt
	@touch $@

docs: .venv-docs/core
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet --site-dir site

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The custom ops; they are also built on first use. GPU=1 compiles the CUDA kernels, too,
# where there is no GPU.
ops: .venv/core
	$(BIN)/python -m hyperseg_tf.ops.build $(if $(filter 1,$(GPU)),--gpu)

# 60,000 random and hostile cases per instruction set, an eighth of them for each kind of
# kernel, under the address and undefined behaviour sanitizers; SEED=1 draws others. A
# part of it is in `make test-slow`.
fuzz: .venv/test
	$(BIN)/python -m tests.ops.fuzz_kernels --cases $(CASES) --seed $(SEED)

# Kill a training run N times at random moments, on one and on two devices.
test-kill: .venv/test
	$(BIN)/python -m tests.training.kill_runs --kills $(N)
	$(BIN)/python -m tests.training.kill_runs --kills $(N) --devices 2

# Hostile models, pictures and requests at every door, each in a process with limits.
attack: .venv/test
	$(BIN)/python -m tests.hostile.attack

# One program after the other, on an otherwise idle machine; $(BENCH) is the folder of
# the results. `make bench BENCHMARKS=blocks_cpu` runs one of them.
bench: .venv/test
	@for name in $(BENCHMARKS); do \
	  echo; echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name --json $(BENCH)/$$name.json || exit 1; \
	done
	@! test -f $(BENCH)/blocks_cpu.json || \
	  $(BIN)/python -m benchmarks.roofline --from $(BENCH)/blocks_cpu.json --out $(BENCH)/roofline.png

bench-quick: .venv/test
	@for name in $(BENCHMARKS); do \
	  echo; echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name --quick || exit 1; \
	done

clean:
	rm -rf .venv .venv-tf217 .venv-docs site $(DEMO)
