# `make run` shows the suite at work, `make test` checks it, `make docs` builds the site, `make picture` takes README's picture of a page,
# `make scene-models` trains the built-in world's networks; all build .venv first, from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of the scene models: full, or smoke for a few steps of each part in a folder of its own.
SCENE_MODELS ?= full
SCENE_MODELS_OUT := $(if $(filter smoke,$(SCENE_MODELS)),results/scene-models-smoke,results/reference/scene_models)
READY := $(VENV)/.ready

.PHONY: run scene-models docs picture test test-all lint clean

run: $(READY)
	@echo "[3/3] Running the quick grid"
	@$(BIN)/python -m suite.run --grid quick --out results/quick

scene-models: $(READY)
	@echo "[3/3] Training the scene models, as far as they are not there ($(SCENE_MODELS))"
	@$(BIN)/python -m suite.scene_models --budget $(SCENE_MODELS) --out $(SCENE_MODELS_OUT) --work results/scene-models-work-$(SCENE_MODELS)

docs: $(READY)
	@echo "[3/3] Building the site of the pages in build/docs"
	@$(BIN)/python -m suite.docs --out build/docs

picture: $(READY)
	@echo "[3/3] Taking README's picture of the explorer from the shipped page, which takes Chromium"
	@PYTHONPATH=tests $(BIN)/python -m helpers.explorer_picture

test: $(READY)
	@echo "[3/3] Running the tests: those of suite/ here, the others beside them, whose report follows"
	@report=$$(mktemp); \
	COVERAGE_FILE=.coverage.others $(BIN)/python -m pytest -m "not slow" --cov --cov-report= --ignore=tests/suite > $$report 2>&1 & others=$$!; \
	trap 'kill $$others 2> /dev/null' INT TERM; \
	COVERAGE_FILE=.coverage.suite $(BIN)/python -m pytest -m "not slow" --cov --cov-report= tests/suite; suite=$$?; \
	wait $$others; others=$$?; cat $$report; rm -f $$report; \
	$(BIN)/python -m coverage combine --quiet .coverage.others .coverage.suite && $(BIN)/python -m coverage report; \
	test $$suite -eq 0 && test $$others -eq 0

test-all: $(READY)
	@echo "[3/3] Running all tests, the slow ones too"
	@$(BIN)/python -m pytest --cov --cov-report=term

lint: $(READY)
	@$(BIN)/ruff check suite methods benchmarks tests
	@$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	@echo "[1/3] Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@echo "[2/3] Installing the project and what it needs (several gigabytes, some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off -c constraints.txt -e '.[metrics,dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) .coverage* .pytest_cache .mypy_cache .ruff_cache
