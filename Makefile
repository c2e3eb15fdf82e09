# make run    starts the whole product          make check  format, lint, types, rules
# make test   runs every test                   make bench  measures, one table
#
# Needs python3 (3.11 to 3.14), git and make; everything else is fetched into .venv and .cache.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test test-newer test-brokers test-postgresql check bench messages sbom python uv app-packages all-packages browser clean

# The first Python that is new enough; `make run PYTHON=python3.13` chooses another.
PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& "$$name" -c 'import sys; print(sys.executable)' && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .cache/uv/bin/uv)
PY := .venv/bin/python

export UV_PYTHON = $(PYTHON)
export UV_PYTHON_DOWNLOADS = never
export UV_PROJECT_ENVIRONMENT = .venv
unexport VIRTUAL_ENV
# Without compiled files each of the processes would compile two thousand modules at every start.
unexport PYTHONDONTWRITEBYTECODE

# Settings for the checks alone: nothing here is secret, and nothing is served with it.
CHECK_DATA := .cache/check
PRODUCTION := REVIEWAPP_ENV=production REVIEWAPP_ALLOWED_HOSTS=reviewapp.example \
	REVIEWAPP_SECRET_KEY=only-for-make-check-9f3c1d7a5b2e8460-only-for-make-check-XyZ \
	REVIEWAPP_ENCRYPTION_KEYS=b25seS1mb3ItbWFrZS1jaGVjay0wMDAwMDAwMDAwMDA=

help:
	@sed -n '1,2s/^# //p' Makefile

run: app-packages
	@REVIEWAPP_DEMO="$${REVIEWAPP_DEMO-1}" exec $(PY) manage.py up

test: all-packages browser
	@# In the order of the folders: by their number of tests, the longest files, of one or two, would come last.
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder --ignore tests/browser $(PYTEST_ARGS)
	@# In a run of their own: Playwright keeps an event loop in the thread that other tests want one in.
	$(PY) -m pytest -n auto tests/browser/test_accessibility.py $(PYTEST_ARGS)
	@# A file at a time in each process: a story's tests stand on one another.
	$(PY) -m pytest -n auto --dist loadfile tests/browser --ignore tests/browser/test_accessibility.py $(PYTEST_ARGS)

# The rooms where it matters, on the newest other Python of this machine, if there is one.
test-newer: NEWER = $(shell for name in python3.14 python3.13 python3.12 \
	$$(ls -d "$$HOME"/.pyenv/versions/3.1[234].*/bin/python 2>/dev/null | sort -rV); do \
	"$$name" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' 2>/dev/null && echo "$$name" && break; done)
test-newer: uv
	@if [ -z "$(NEWER)" ]; then echo "No Python newer than 3.11 here: nothing more to test"; else \
		echo "Testing on $$($(NEWER) --version)" \
		&& export UV_PYTHON="$(NEWER)" UV_PROJECT_ENVIRONMENT=.cache/newer \
		&& $(UV) sync --frozen --extra parquet --quiet \
		&& .cache/newer/bin/python -m pytest -n auto --dist loadfile tests/pure tests/formats; fi

# Recording, journal and replays on the Redis and the RabbitMQ of this machine, if there are any.
test-brokers: all-packages
	$(PY) -m tests.brokers $(PYTEST_ARGS)

# Queries and migrations on the PostgreSQL of this machine, if there is one; the oldest that is supported is 15.
test-postgresql: all-packages
	$(PY) -m tests.postgresql $(PYTEST_ARGS)

bench: all-packages
	$(PY) -m benchmarks $(BENCH_ARGS)

# The texts of the interface into the catalogues, and the catalogues as they are read; needs gettext.
messages: all-packages
	$(PY) -W ignore manage.py makemessages -l de -l fr -l ja -l ar --no-location --no-obsolete --no-wrap \
		-i '.venv/*' -i 'tests/*' -i '.cache/*'
	$(PY) -W ignore manage.py compilemessages -i '.venv/*' -i '.cache/*'

# What an installation consists of, with versions and hashes as locked (CycloneDX); without the tools of development.
sbom: uv
	@$(UV) export --frozen --quiet --no-dev --extra parquet --format cyclonedx1.5 \
		--preview-features sbom-export --output-file sbom.cdx.json
	@echo "sbom.cdx.json: $$($(PYTHON) -c 'import json; print(len(json.load(open("sbom.cdx.json"))["components"]))') components"

check: export REVIEWAPP_DATA = $(CHECK_DATA)
check: all-packages
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	.venv/bin/djade --check $$(find templates -name '*.html')
	.venv/bin/lint-imports
	$(PY) -m mypy
	@# It would like to ask a database too; none runs here, and none is needed.
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING

# --- What the targets above need ---------------------------------------------------------------

python:
	@[ -n "$(PYTHON)" ] || { echo "No Python 3.11 to 3.14 found; install one, for instance: apt-get install python3 python3-venv"; exit 1; }

# uv installs exactly what uv.lock names, each file checked by its hash.
uv: python
	@[ -x "$(UV)" ] || { \
		"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "Python's venv module is missing; install it: apt-get install python3-venv (or install uv)"; exit 1; }; \
		echo "Fetching uv, which installs the packages, into .cache/uv"; \
		"$(PYTHON)" -m venv .cache/uv && .cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv; }

# --inexact: the packages of `make test` stay, so that running and testing in turn installs nothing.
app-packages: uv
	@[ -x $(PY) ] || echo "Installing the packages into .venv, once"
	@$(UV) sync --frozen --extra parquet --no-dev --inexact $$([ ! -x $(PY) ] || echo --quiet)

all-packages: uv
	@[ -x $(PY) ] || echo "Installing the packages and the test tools into .venv, once"
	@$(UV) sync --frozen --all-extras $$([ ! -x $(PY) ] || echo --quiet)

# Playwright drives the system's Chromium, best its shell, which has no windows around the pages and so takes a third
# of the time. Without one the browser tests say so and are skipped, except in CI, where nothing may be skipped silently.
browser:
	@command -v chromium-headless-shell >/dev/null && exit 0; found=; \
	for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && found=$$name; done; \
	[ -n "$$found" ] && [ -z "$$CI" ] && exit 0; \
	root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
	if command -v apt-get >/dev/null && $$root true 2>/dev/null; then \
		echo "Installing Chromium for the browser tests"; \
		$$root apt-get -qq update; \
		for name in chromium-headless-shell chromium; do \
			$$root env DEBIAN_FRONTEND=noninteractive \
				apt-get -qq -y --no-install-recommends install $$name fonts-dejavu-core >/dev/null && exit 0; \
		done; \
	fi; \
	[ -n "$$found" ] && exit 0; \
	echo "The browser tests need Chromium; install it: apt-get install chromium"; [ -z "$$CI" ]

clean:
	rm -rf .venv .cache
