# Everything a developer runs. `make demo` and `make test` need nothing but Python 3.11 and Debian.

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000

.PHONY: demo demo-production run install install-dev test lint types imports format bench quality clean help

help:
	@echo "make demo    install, ingest the handbook, start the server on port $(PORT)"
	@echo "make demo-production    the same with PostgreSQL, pgbouncer, Redis and stand-ins for the clouds"
	@echo "make test    install, run the whole test suite"
	@echo "make run     start the server   make lint types imports   make bench quality"

demo: install
	@$(BIN)/python -m ragsite.demo --port $(PORT)

demo-production: install-dev
	@.ci/services
	@$(BIN)/python -m tests.standins production --port $(PORT)

run: install
	$(BIN)/uvicorn ragsite.asgi:application --host 127.0.0.1 --port $(PORT) --ws websockets-sansio \
	  --ws-per-message-deflate false --ws-max-size 65536 --timeout-graceful-shutdown 25 \
	  --no-proxy-headers --no-access-log

test: install-dev
	@.ci/chromium
	@.ci/node
	$(BIN)/pytest -n 3 --dist worksteal

lint: install-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install-dev
	$(BIN)/mypy && $(BIN)/mypy --config-file clients/python/pyproject.toml clients/python/src

imports: install-dev
	$(BIN)/lint-imports

format: install-dev
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: install-dev
	$(BIN)/python benchmarks/index_latency.py
	$(BIN)/python benchmarks/question_latency.py

quality: install-dev
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/gate.py --page
	$(BIN)/python benchmarks/claims.py --write

clean:
	rm -rf .venv var

install: .venv/runtime
install-dev: .venv/dev

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

.venv/runtime: .venv/bin/uv requirements.txt requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt -c requirements.lock
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt requirements-eval.txt requirements-multilingual.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt -c requirements.lock
	@touch $@
