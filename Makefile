# `make repro` makes the environment from requirements.lock with plain pip, then runs the pipeline.
# Paths are relative, so that the folder may have a space in its path.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Variables that would add packages to the environment, or make pip and DVC fail.
# (A PYTHONPATH comes before the environment's packages; plain `dvc repro` keeps it behind src.)
unexport PYTHONHOME PYTHONPATH PYTHONWARNINGS PYTHONOPTIMIZE PYTHONINSPECT PIP_TARGET PIP_PREFIX
export PIP_USER := 0
# DVC needs the user's name, and fails when the user id has none, as in a container.
export LOGNAME := $(or $(LOGNAME),$(USER),$(shell id -un 2>/dev/null || id -u))

# An environment is made again when its folder was moved or its Python is gone.
$(shell test ! -s .venv/ready || { test "$$(cat .venv/ready)" = "$$(pwd -P)" && test -x .venv/bin/python; } || rm -rf .venv)

.PHONY: repro studies quick test lint verify benchmark lock clean

repro: .venv/ready
	@sh tools/repro.sh

# The studies, on the images that the pipeline of the report prepared.
studies: .venv/ready
	@SHELL=/bin/sh dvc repro --quiet preprocess
	@cd studies && SHELL=/bin/sh dvc repro

# A first result in a few minutes, in a copy: params.yaml and committed results do not change.
quick: .venv/ready
	@python tools/quick.py

test: .venv/dev
	pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder  # else the longest files come last

lint: .venv/dev
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo

# Trains a few networks of the study again, drawn at random, and compares them with their rows.
verify: .venv/ready
	@SHELL=/bin/sh dvc repro --quiet preprocess
	@klayer verify

# In an environment with PyTorch, JAX and scikit-learn.
benchmark: .benchmark-venv/ready
	.benchmark-venv/bin/python -m benchmarks
	.benchmark-venv/bin/python -m benchmarks --classifier

# One version of each library for all Pythons, with hashes. Present versions are kept if
# pyproject.toml allows them; to update all, remove both locks first.
lock: .lock-venv/ready
	$(COMPILE) --extra build --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra build --extra dev --constraint requirements.lock \
	  --output-file requirements-dev.lock pyproject.toml

COMPILE = .lock-venv/bin/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
  --no-emit-index-url --custom-compile-command 'make lock'

clean:
	rm -rf .venv .benchmark-venv .lock-venv .klayer

.venv/ready: requirements.lock pyproject.toml
	@case "$$(pwd -P)" in *[:\"\$$\`]*) echo 'the path of this folder has one of : " $$ `, which programs in .venv/bin cannot have: rename it' >&2; exit 1;; esac
	@test ! -x .venv/bin/python || .venv/bin/python -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 15) else ".venv, which another program made, has Python %d.%d, and 3.11 to 3.14 is needed: remove .venv, then run make again" % v)'
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 15) else "Python 3.11 to 3.14 is needed, %d.%d was found: make PYTHON=/path/to/python3.11 ..." % v)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@pwd -P >$@

# The packages of tests and linters.
.venv/dev: .venv/ready requirements-dev.lock
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@

.benchmark-venv/ready: pyproject.toml
	$(PYTHON) -m venv .benchmark-venv
	.benchmark-venv/bin/python -m pip install --quiet --editable '.[benchmark]'
	@touch $@

.lock-venv/ready:
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/python -m pip install --quiet uv
	@touch $@
