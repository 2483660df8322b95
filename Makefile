# Every target does its own set-up; nothing but Python 3.11+ and make is assumed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := train,text,vision,tables,st,report,ray,s3

.PHONY: help setup demo demo-short test test-browser claims faults faults-short check format docs lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## a virtual environment in .venv with everything that the project needs

# Hashes pin what is installed; bytecode is compiled at once, since importing torch uncompiled costs a quarter of a minute.
$(READY): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aft needs Python 3.11 or newer; received %d.%d; name another with make PYTHON=..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	grep -A1000 '^uv==' constraints.txt | awk 'NR==1 || /^ +--hash/ {print; next} {exit}' > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r constraints.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY)  ## the main job on real data: a small student learns from a large text model (under 10 minutes)
	$(BIN)/aft demo --out demo

demo-short: $(READY)  ## the same, cut down to a few hundred sentences, for continuous integration
	$(BIN)/aft demo --out demo/short --short

test: $(READY)  ## all tests but those in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile -q

test-browser: $(READY)  ## the report's page in a real browser, by Debian's chromium
	$(BIN)/python -m pytest -q tests/browser

claims: $(READY)  ## what is not there yet of the paper's claims, and docs/results.md
	for claim in better_than_alternatives better_teachers_better_students teachers_complement fifty_times_smaller scarce_labels default_method remedies little_overhead; do \
		$(BIN)/python benchmarks/claims/$$claim.py || exit 1; done
	$(BIN)/python benchmarks/claims/page.py

faults: $(READY)  ## break things on purpose, and count what is lost: kills, flipped bits, full disks, two writers
	$(BIN)/python benchmarks/faults.py

faults-short: $(READY)  ## the same with 6 kills, for continuous integration
	$(BIN)/python benchmarks/faults.py --kills 6

check: $(READY)  ## lint, formatting, types, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(READY)  ## put the code into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## build the documentation strictly into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lock: $(READY)  ## resolve the pinned constraints again
	$(BIN)/uv pip compile pyproject.toml $(foreach e,$(subst $(comma), ,$(EXTRAS)),--extra $(e)) --group dev --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --output-file constraints.txt

comma := ,

clean:  ## remove what the other targets made
	rm -rf $(VENV) site demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
