# demo: the main job, end to end.  test: the test suite, but for what test-slow runs: long trainings,
# compilers, several processes.  check: lint, types, architecture.
# dist: wheel and sdist, used from a fresh environment.
# Each target first makes the one environment they share, in .venv.
# test-app: the page in a real browser, Debian's chromium; its environment is .venv-app, as Gradio
# takes an older Pillow.
# docs: the site, in build/site; its environment is .venv-docs, without the library.
# test-tools: what we write, read by the tools it is for, and back; they live in .venv-tools.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TOOLS := .venv-tools
TOOLS_READY := $(TOOLS)/.ready
PAGE := .venv-app
PAGE_READY := $(PAGE)/.ready
DOCS := .venv-docs
DOCS_READY := $(DOCS)/.ready

.PHONY: demo test test-slow test-app test-tools check docs dist clean

demo: $(READY)
	$(BIN)/wsfcn demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow'

test-slow: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-tools: $(TOOLS_READY)
	$(TOOLS)/bin/python -m pytest -c tests/tools/pytest.ini tests/tools

test-app: $(PAGE_READY)
	$(PAGE)/bin/python -m pytest tests/app

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/contracts/test_imports.py

docs: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build
	@echo site: build/site/index.html

dist: $(READY)
	.ci/dist

# uv where it is present, else venv and pip. torch and torchvision are named together: they must match.
$(READY): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) .venv && \
		uv pip install --quiet --python $(BIN)/python torch torchvision timm -e '.[dev]'; \
	else \
		$(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet torch torchvision timm -e '.[dev]'; \
	fi
	@touch $(READY)

$(TOOLS_READY): tests/tools/requirements.txt
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(TOOLS) && \
		uv pip install --quiet --python $(TOOLS)/bin/python -r $<; \
	else \
		$(PYTHON) -m venv $(TOOLS) && \
		$(TOOLS)/bin/python -m pip install --quiet -r $<; \
	fi
	@touch $@

$(PAGE_READY): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(PAGE) && \
		uv pip install --quiet --python $(PAGE)/bin/python torch torchvision timm -e '.[app,dev]' \
			selenium; \
	else \
		$(PYTHON) -m venv $(PAGE) && \
		$(PAGE)/bin/python -m pip install --quiet torch torchvision timm -e '.[app,dev]' selenium; \
	fi
	@touch $@

$(DOCS_READY): tools/site/requirements.txt
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(DOCS) && \
		uv pip install --quiet --python $(DOCS)/bin/python -r $<; \
	else \
		$(PYTHON) -m venv $(DOCS) && \
		$(DOCS)/bin/python -m pip install --quiet -r $<; \
	fi
	@touch $@

clean:
	rm -rf .venv $(TOOLS) $(PAGE) $(DOCS) build dist runs
