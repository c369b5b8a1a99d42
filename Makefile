# One verb per chore. Each only calls manage.py or a tool inside .venv: on Windows, or without make, type the same line yourself.
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
PYTHON ?= python
else
BIN := .venv/bin
PYTHON ?= python3
endif
MANAGE := $(BIN)/python manage.py
RUN := .venv/.run-installed
DEV := .venv/.dev-installed
KILLS ?= 50
SOAK_ARGS ?=
PYTEST_ARGS ?=

.PHONY: help demo smoke test test-services lint fix bench kill-test soak soak-small pictures viewer schema schema-check docs pages-check migrations clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(RUN): requirements.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@echo installed > $(RUN)

$(DEV): $(RUN) requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@echo installed > $(DEV)

demo: $(RUN) ## install, fill and start the demo farm at http://localhost:8000
	$(MANAGE) demo

smoke: $(RUN) ## run the main job once without a person
	$(MANAGE) smoke

test: $(DEV) ## the test suite on SQLite, no server needed
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-services: export TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/blb3d
test-services: export TEST_REDIS_URL ?= redis://127.0.0.1:6379
test-services: export TEST_MQTT_URL ?= mqtt://127.0.0.1:1883
test-services: $(DEV) ## the same suite on PostgreSQL, Redis and Mosquitto
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(DEV) ## style, types, layers, templates, migrations, written pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet
	$(MANAGE) makemigrations --check --dry-run
	$(MAKE) pages-check

fix: $(DEV) ## let the tools repair what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(RUN) ## measure: NAME=lists; fails when a target is missed
	$(MANAGE) bench $(NAME)

kill-test: $(RUN) ## kill processes at random during the smoke run: KILLS=50
	$(MANAGE) kill_test --kills $(KILLS)

soak: $(RUN) ## 50 simulated printers, 2,000 jobs, everything killed now and then: SOAK_ARGS="--seed 7"
	$(MANAGE) soak $(SOAK_ARGS)

soak-small: $(RUN) ## the same with 8 printers, 60 jobs and 3 kills
	$(MANAGE) soak --printers 8 --jobs 60 --kills 3 --longest 5 --asked 0.12 $(SOAK_ARGS)

pictures: $(DEV) ## take the screenshots of docs/
	$(MANAGE) pictures

viewer: ## bundle three.js for the portal's 3D view anew; needs npm, see docs/development.md
	cd blb3d/core/browser && npm ci && npm run viewer

schema: $(DEV) ## write docs/openapi.yaml
	$(MANAGE) spectacular --api-version v1 --validate --fail-on-warn --file docs/openapi.yaml

schema-check: $(DEV) ## fail when docs/openapi.yaml is out of date
	$(MANAGE) spectacular --api-version v1 --validate --fail-on-warn --file var/openapi.yaml
	git diff --no-index --exit-code docs/openapi.yaml var/openapi.yaml

docs: schema ## write the pages that come from code, docs/openapi.yaml too
	$(MANAGE) settings_reference
	$(MANAGE) error_reference
	$(MANAGE) import_reference
	$(MANAGE) lifecycle_reference

pages-check: $(DEV) ## fail when a page that comes from code is out of date
	$(MANAGE) settings_reference --check
	$(MANAGE) error_reference --check
	$(MANAGE) import_reference --check
	$(MANAGE) lifecycle_reference --check

migrations: $(DEV) ## make migrations for changed models
	$(MANAGE) makemigrations

clean: ## forget what can be made again; data in var/ and uploads/ stays
	$(PYTHON) -c "import pathlib, shutil; [shutil.rmtree(p) for n in ('__pycache__', '.pytest_cache', '.mypy_cache', '.ruff_cache') for p in pathlib.Path('.').rglob(n)]"
