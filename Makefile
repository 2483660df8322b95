# Every target sets up .venv by itself; only Python 3.11+ and make are required.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := train,text,gguf,open-clip,vision,tables,hub,st,report,ray,s3,export,runtime,serve

.PHONY: help setup demo demo-short test test-browser claims claims-gpu bench bench-gpu bench-compare faults faults-short check format docs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## create .venv with everything that the project needs

# Hashes pin every package. Bytecode is compiled during installation, because the first import of uncompiled torch takes 15 s.
$(READY): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aft needs Python 3.11 or newer; received %d.%d; name another with make PYTHON=..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	grep -A1000 '^uv==' constraints.txt | awk 'NR==1 || /^ +--hash/ {print; next} {exit}' > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r constraints.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY)  ## run the main workflow on real data: a small student learns from a large text model (under 10 minutes)
	$(BIN)/aft demo --out demo

demo-short: $(READY)  ## run the demo with a few hundred sentences, for continuous integration
	$(BIN)/aft demo --out demo/short --short

# A thread for each of the two processes: threads of several programs that share two cores wait for each other, tenfold.
test: $(READY)  ## run all tests except those in a browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

test-browser: $(READY)  ## test the report's page in Debian's chromium
	$(BIN)/python -m pytest -q tests/browser

claims: $(READY)  ## train what is missing for the benchmark claims, and regenerate docs/results.md
	for claim in better_than_alternatives better_teachers_better_students teachers_complement fifty_times_smaller scarce_labels default_method noise_dimensions little_overhead; do \
		$(BIN)/python benchmarks/claims/$$claim.py || exit 1; done
	$(BIN)/python benchmarks/claims/page.py

claims-gpu:  ## train the claims about images at full size on a GPU: PARTS= from benchmarks/claims/images_on_a_gpu.py
	PYTHONPATH=src $(PYTHON) benchmarks/claims/images_on_a_gpu.py run $(PARTS)

bench: $(READY)  ## measure every performance target, alone on this machine, and write bench.json
	$(BIN)/python benchmarks/bench.py

bench-gpu:  ## measure the targets that need a GPU: with PyTorch, NumPy and pydantic alone, in minutes
	PYTHONPATH=src $(PYTHON) benchmarks/gpu.py

bench-compare: $(READY)  ## say what became slower between two measurements: make bench-compare A=old.json B=new.json
	$(BIN)/python benchmarks/bench.py --compare $(A) $(B)

faults: $(READY)  ## inject faults and count what is lost: kills, flipped bits, full disks, concurrent writers
	$(BIN)/python benchmarks/faults.py

faults-short: $(READY)  ## inject faults with 6 kills, for continuous integration
	$(BIN)/python benchmarks/faults.py --kills 6

check: $(READY)  ## check lint, formatting, imports between packages, types and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

format: $(READY)  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lock: $(READY)  ## resolve constraints.txt again
	$(BIN)/uv pip compile pyproject.toml $(foreach e,$(subst $(comma), ,$(EXTRAS)),--extra $(e)) --group dev --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --output-file constraints.txt

comma := ,

clean:  ## remove everything that the other targets created
	rm -rf $(VENV) site demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
