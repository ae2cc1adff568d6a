# Everything runs in .venv, which is made on first use. These variables, of the environment or of the command line, choose
# what a new .venv is made of; `make clean` removes an old one.
#   PYTHON       the interpreter, python3 by default
#   JAX_VERSION  the version of jax, such as 0.10.0; by default the newest
# ARGS are further arguments of pytest, or of the benchmarks.
PYTHON ?= python3
JAX_VERSION ?=
RUN := .venv/bin/python
PYTEST := $(RUN) -m pytest -n auto --dist worksteal

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-default-xla coverage lint bench clean

demo: .venv/installed-demo
	$(RUN) demo/vae.py

test: .venv/installed-dev
	$(PYTEST) $(ARGS)

# The marked tests alone, with XLA's default settings: all others compile quickly rather than well, see tests/conftest.py.
test-default-xla: .venv/installed-dev
	JAXLAYERS_TESTS_XLA=default $(PYTEST) -m default_xla $(ARGS)

# The pages are written to reports/coverage.
coverage: .venv/installed-dev .venv/installed-coverage
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)

lint: .venv/installed-dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/installed-dev .venv/installed-bench
	$(RUN) -m benchmarks $(ARGS)

clean:
	rm -rf .venv build dist reports .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Some installations of Python come without the pip that venv copies; then the pip of PYTHON installs one into .venv.
.venv/made:
	$(PYTHON) -m venv .venv || { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $(RUN) install pip; }
	touch $@

# One stamp for each extra, so that a second run installs nothing.
.venv/installed-%: pyproject.toml .venv/made
	@echo "Installing jaxlayers[$*] into .venv; the first time this takes a few minutes."
	$(RUN) -m pip install --quiet --editable '.[$*]' $(if $(JAX_VERSION),'jax==$(JAX_VERSION)')
	touch $@
.PRECIOUS: .venv/installed-%
