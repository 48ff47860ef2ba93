# Every target does its own set-up, from nothing, and only what has changed since: see CONTRIBUTING.md.
SHELL := bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
export PYTHON
BENCHES := $(shell find benches -mindepth 2 -name 'bench_*.py' 2>/dev/null)

.PHONY: help setup demo demo-livekit test lint wheel prove docs-pictures lock clean

help: ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## .venv with everything in it, models, the extension in release mode
	@$(PYTHON) ci/prepare.py venv models extension

demo: setup ## a caller talks with an agent on the real recogniser and voice: demo-out/
	.venv/bin/beluga-voice demo --out demo-out

demo-livekit: setup ## the same in a room of a real livekit-server: demo-livekit-out/
	@$(PYTHON) ci/prepare.py livekit
	.venv/bin/beluga-voice demo --livekit --out demo-livekit-out

test: ## every short test, Rust and Python
	@bash ci/test.sh

lint: ## formats, types, clippy, licences, what git tracks
	@bash ci/lint.sh

wheel: setup ## the wheel and the sdist that ship: dist/
	@.venv/bin/python ci/wheel.py --out dist

prove: setup ## every proof with its full counts: benches/results/proof-*.json
	@$(PYTHON) ci/prove.py --all

prove-%: setup
	@$(PYTHON) ci/prove.py $*

ifneq ($(BENCHES),)
.PHONY: bench
bench: bench-setup ## every benchmark (QUICK=1: few counts): benches/results/
	@$(PYTHON) ci/bench.py --all

.PHONY: bench-setup
bench-setup: # the same with the extension of the wheel
	@$(PYTHON) ci/prepare.py venv models shipped

bench-%: bench-setup
	@$(PYTHON) ci/bench.py $*
endif

docs-pictures: setup ## pictures of the documentation, from real calls: docs/pictures/
	@$(PYTHON) ci/prepare.py chromium
	PYTHONPATH=tests .venv/bin/python docs/pictures/make_pictures.py

lock: ## newest allowed versions into ci/constraints.txt
	$(PYTHON) ci/lock_dependencies.py

clean: ## what was built in this checkout; the shared cache stays
	rm -rf .venv dist demo-out demo-livekit-out simulate-out benches/results python/beluga_voice/_core*.so
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis python/beluga_voice/THIRD-PARTY-LICENSES
