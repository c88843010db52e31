# `make` lists the targets. Everything runs from .venv, made from requirements.lock.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup data repro demo check test lint docs audit bench peers preference results cases faults release scale up down status ui lock clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
STAMP := $(VENV)/.installed-from-lock
SITE := $(CURDIR)/.dvc/tmp/site
# Installs a Debian package, or fails where that cannot be done.
debian = test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
  && { apt-get install -y -qq $(1) || { apt-get update -qq && apt-get install -y -qq $(1); }; } >/dev/null 2>&1

# Said before gigabytes are installed: DVC works in a git repository, and runs record the commit.
ifneq (,$(filter data repro demo test up,$(MAKECMDGOALS)))
ifeq (,$(shell git rev-parse --verify --quiet HEAD 2>/dev/null))
ifneq (,$(wildcard .git))
$(error $(CURDIR): git does not take this for a repository with a commit: $(shell git rev-parse --verify HEAD 2>&1))
endif
$(error $(CURDIR): no commit of git is here, which DVC and the records of runs need; make one: git init && git add -A && git commit -m "Unpacked")
endif
endif

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv from requirements.lock
	@# Where a plain `dvc` keeps its state, too: for this user alone (docs/explanation/security.md).
	@test ! -d .dvc || { find '$(SITE)' -maxdepth 0 -perm 700 2>/dev/null | grep -q . && grep -qsxF '    site_cache_dir = $(SITE)' .dvc/config.local; } \
	  || $(RUN) textsr dvc config --local core.site_cache_dir '$(SITE)'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing requirements.lock (several GB, minutes) ..."
	@# The lock is complete: no resolution. What builds the two packages that have no wheel, and
	@# our own, is in it too: without isolation, pip fetches nothing whose hash it does not check.
	sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock | $(BIN)/python -m pip install --disable-pip-version-check \
	  --no-deps --quiet --require-hashes -r /dev/stdin
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --progress-bar off --quiet \
	  --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --quiet -e .
	$(BIN)/python -m pip check
	@touch $@

data: setup ## Get fonts and word lists out of the installed packages, unless they are there
	@test -f data/SOURCES.tsv || $(RUN) textsr fetch-data

repro: data ## Run the whole DAG; what is up to date is not run again
	$(RUN) textsr dvc repro

demo: repro ## From nothing to a registered model, and a sample upscaled with it
	$(RUN) textsr upscale docs/images/hard-page.png -o out/hard-page.png --for people --compare --read
	$(RUN) textsr show
	@changed=$$(git diff --name-only -- dvc.lock reports); test -z "$$changed" || printf '\n%s\n' \
	  "$$(echo $$changed): changed, and no mistake. Results are in git, so that people can open them;" \
	  "these are of the run on this machine. Commit them to keep them, or put those of the clone back:" \
	  "  git restore dvc.lock reports"

check: lint ## Lint, types and the unit tests that are not slow: two to three minutes
	@# A thread for each of two processes: more would be in each other's way on two cores.
	$(RUN) OMP_NUM_THREADS=1 python -m pytest tests/unit -m "not slow" -n 2 --no-loadscope-reorder -q

test: setup ## Run all tests, and name the twenty slowest
	@$(BIN)/python -c 'from textsr.ocr.tesseract_engine import tesseract_data as d; import sys; sys.exit(d() is None)' \
	  || { $(call debian,tesseract-ocr); } \
	  || echo "Tesseract's data cannot be installed here (needs apt-get and root): tests marked tesseract are skipped"
	@# Three at a time, on two cores as well: end-to-end tests wait for servers a good part of theirs.
	$(RUN) python -m pytest -n 3 --no-loadscope-reorder --durations=20 --junitxml=out/junit.xml

lint: setup ## Ruff and mypy, as pre-commit runs them
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

docs: setup ## Build the site into out/site, without a network
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

audit: setup ## Look for known vulnerabilities in what requirements.lock names, and for licences nobody has looked at
	$(RUN) python .ci/licences.py requirements.lock .ci/licences.toml
	$(RUN) python .ci/audit.py requirements.lock .ci/audit.toml

release: setup ## Build the commit's wheel, ONNX file, docs and SBOM into out/release, twice, and compare the bytes
	$(RUN) python .ci/release.py out/release

# What to measure: all, or upscaling or serving alone.
BENCH ?= all

bench: setup ## Measure speeds side by side and print their ratios (BENCH=upscaling or serving: that alone)
	$(RUN) python -m benchmarks.bench $(filter upscaling serving,$(BENCH))
ifeq (,$(filter upscaling serving,$(BENCH)))
	$(RUN) python -m benchmarks.footprint
endif

# What to compare with: models, further folders of labelled images (`--help` tells).
PEERS ?= --model byol=artifacts/evaluation/byol/model

peers: setup ## Compare with general super-resolution networks, e.g. PEERS="--model mine=FOLDER"
	$(RUN) python -m benchmarks.peers_quality $(PEERS)

# What to read besides fresh lines: folders of labelled images, and options (`--help` tells).
RESULTS ?=

results: data ## Measure what README's table shows, and write it, e.g. RESULTS="mine=FOLDER:lr"
	$(RUN) python -m benchmarks.results $(RESULTS)

# What else to show: small images of yours, and options (`--help` tells).
PAIRS ?=

preference: data ## Make a page on which people judge bicubic and the model, e.g. PAIRS="mine=FOLDER"
	$(RUN) python -m benchmarks.preference $(PAIRS)

cases: data ## Upscale images and documents that upscalers stumble over, and write the page of what comes out
	$(RUN) python -m benchmarks.cases

# Which attacks, and options, e.g. ATTACKS="images --cases 1000" (`--help` tells).
ATTACKS ?=

faults: data ## Try to break textsr for hours; goes on where it was stopped
	$(RUN) OMP_NUM_THREADS=1 python -m tests.faults.campaign $(ATTACKS)

scale: setup ## Measure memory and speed at 10,000, 100,000 and 1,000,000 lines (an hour, 9 GB)
	$(RUN) python -m benchmarks.scale

up: setup ## Start Prefect, MLflow and the workers on loopback; wait until they are healthy
	@$(RUN) python -m pipelines.services up

down: ## Stop what `make up` started
	@$(RUN) python -m pipelines.services down

status: ## Ask each service whether it is well
	@$(RUN) python -m pipelines.services status

ui: setup ## Open MLflow's UI at http://127.0.0.1:5000
	@$(RUN) python -m pipelines.services ui

# How both locks are written: for every platform, with the hashes of every release's files.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --generate-hashes --quiet --upgrade

lock: setup ## Resolve requirements.lock, and the part of it that `textsr serve` needs, anew from pyproject.toml
	$(RUN) $(COMPILE) --extra pipeline --extra dev --extra tesseract --extra ocr-more --extra pdf --extra heif --extra ocrmypdf --extra serve \
	  --extra textzoom --extra onnx --extra s3 --extra ssh --extra hub --extra docs --output-file requirements.lock
	$(RUN) $(COMPILE) --extra serve --constraint requirements.lock --output-file requirements-serve.lock

clean: ## Remove outputs, not the environment, the data or MLflow's records
	rm -rf artifacts out .checkpoints .cache
