# Nothing but Python (3.11 or newer) and make: everything else comes from requirements.lock into .venv.
# Only relative paths, so that the folder may have any name. Another Python: make PYTHON=python3.13

PYTHON ?= python3
# processes of the test run
WORKERS ?= auto
# handed on to pytest: make test PYTEST_ARGS="-k backup"
PYTEST_ARGS ?=
# handed on to uv: make lock LOCK_ARGS=--upgrade, or LOCK_ARGS="--upgrade-package papermill"
LOCK_ARGS ?=

SHELL = /bin/sh
.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: help install demo test check lint format types imports lab lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: .venv/project.stamp ## a whole run against an embedded PostgreSQL, with its report
	@.venv/bin/alembook demo

test: .venv/project.stamp ## every test, on real PostgreSQL 18 and 16, runbooks and README included
	.venv/bin/python -m pytest --numprocesses=$(WORKERS) --dist=loadgroup $(PYTEST_ARGS)

check: lint format types imports ## what a review need not look for

lint: .venv/project.stamp
	.venv/bin/python -m ruff check

format: .venv/project.stamp
	.venv/bin/python -m ruff format --check

types: .venv/project.stamp
	.venv/bin/python -m mypy

imports: .venv/project.stamp
	.venv/bin/lint-imports --no-logo

lab: .venv/project.stamp ## JupyterLab on the runbooks
	@.venv/bin/alembook lab

lock: .venv/project.stamp ## requirements.lock anew from pyproject.toml, and what changed in it
	@cp requirements.lock .venv/requirements.lock
	@.venv/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 --group dev --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(LOCK_ARGS) \
		--output-file .venv/requirements.lock pyproject.toml
	@if cmp -s requirements.lock .venv/requirements.lock; then echo "requirements.lock: nothing changed"; else \
		echo "requirements.lock:"; \
		diff -U0 requirements.lock .venv/requirements.lock | sed -n 's/^\([-+][a-z0-9].*\) \\$$/  \1/p'; \
		cp .venv/requirements.lock requirements.lock; fi

clean: ## removes what make has made; runs, backups and .alembook stay
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

install: .venv/project.stamp ## .venv, without doing anything with it

# Made anew when the lock changes: what the lock no longer names is gone then. A stamp stands only for a whole install.
.venv/lock.stamp: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Alembook needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=python3.13" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) cannot make an environment with pip in it. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
		exit 2; }
	@echo "Installing requirements.lock into .venv: one to two minutes, once."
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch .venv/lock.stamp

.venv/project.stamp: .venv/lock.stamp pyproject.toml
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/project.stamp
