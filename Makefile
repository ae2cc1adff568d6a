# Everything runs in .venv, which is made on first use; PYTHON names the interpreter it is made from.
PYTHON ?= python3
RUN := .venv/bin/python

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint bench clean

demo: .venv/installed-demo
	$(RUN) demo/vae.py

test: .venv/installed-dev
	$(RUN) -m pytest -n auto --dist worksteal $(ARGS)

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

# Where Python came without its bundled pip, the pip beside it puts one into .venv.
.venv/made:
	$(PYTHON) -m venv .venv || { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $(RUN) install pip; }
	touch $@

# One stamp for each extra, so that a second run installs nothing.
.venv/installed-%: pyproject.toml .venv/made
	@echo "Installing jaxlayers[$*] into .venv; the first time this takes a few minutes."
	$(RUN) -m pip install --quiet --editable '.[$*]'
	touch $@
.PRECIOUS: .venv/installed-%
