# The environment is made from requirements.lock with plain pip.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)

.PHONY: repro test lint benchmark verify clean

repro: $(VENV)/ready
	@dvc repro download || $(MAKE) --no-print-directory without-archive
	@dvc repro

# Nothing but a missing copy of CIFAR-10 is answered with synthetic images.
.PHONY: without-archive
without-archive:
	@test -z "$$CIFAR10_ARCHIVE" && grep -q 'source: cifar10' params.yaml
	@echo
	@echo "No copy of CIFAR-10 was found, for the reasons above."
	@echo "The same pipeline now runs on images that the project makes itself:"
	@echo "  dvc exp run -S data.source=synthetic"
	@echo "Its results say so. For the real images: CIFAR10_ARCHIVE=/path/to/cifar-10-python.tar.gz make repro"
	@echo
	@dvc exp run -S data.source=synthetic

test: $(VENV)/ready
	$(BIN)/pytest --numprocesses=auto --dist=loadfile

# Does this machine repeat the results at hand?
verify: $(VENV)/ready
	@dvc repro --single-item --quiet download preprocess
	@klayer verify

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Its environment has PyTorch, JAX and scikit-learn besides.
benchmark: .benchmark-venv/ready
	PATH="$(CURDIR)/.benchmark-venv/bin:$$PATH" dvc repro preprocess
	.benchmark-venv/bin/python -m benchmarks --json benchmark.json --plot benchmark.png
	.benchmark-venv/bin/python -m benchmarks --scaling --json scaling.json --plot scaling.png

.benchmark-venv/ready: pyproject.toml
	$(PYTHON) -m venv .benchmark-venv
	.benchmark-venv/bin/pip install --quiet --editable '.[benchmark]'
	@touch $@

clean:
	rm -rf $(VENV) .benchmark-venv .klayer

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, {v.major}.{v.minor} was found: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
