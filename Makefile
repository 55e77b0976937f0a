# make demo runs the main job once; make test tests it. Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PINS := requirements/$(if $(filter 3.10,$(VERSION)),dev-3.10.txt,dev.txt)
STORE := sqlite
READY := $(VENV)/.ready-$(VERSION)
NODE := $(VENV)/.node-$(VERSION)
BROWSER := $(VENV)/.browser-$(VERSION)
# One by one, but for the groups that share a browser: most of them are of one file, and work.
PROVE := -n 2 --dist loadgroup
# They wait for servers for half of their time. Those marked `long` begin first.
SLOW := -n 6 --dist loadfile --no-loadscope-reorder
# The quick tests wait as much as they work, so that two cores carry four of them.
QUICK := -n 4 --dist loadscope

# Each process of a test run would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo dev check lint quick test prove fuzz bench package deploy rollback clean

setup: $(READY)

# What is given out as source alone is built with what is installed: an environment of its own would
# have packages without hashes.
$(READY): requirements/build.txt $(PINS) pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --require-hashes -r requirements/build.txt
	$(PIP) --require-hashes --no-deps --no-build-isolation -r $(PINS)
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

# The official Node client and Serverless Devs run on the installed Node, or else on a wheel's.
$(NODE): $(READY) requirements/node.txt
	command -v npm >/dev/null || $(PIP) --require-hashes -r requirements/node.txt
	touch $@

# What drives a browser. The browser itself is the machine's, Debian's chromium for example.
$(BROWSER): $(READY) requirements/browser.txt
	$(PIP) --require-hashes --no-deps -r requirements/browser.txt
	touch $@

demo: $(READY)
	$(BIN)/live-record demo --store $(STORE)

dev: $(READY)
	$(BIN)/live-record dev --store $(STORE)

# Side by side, for the tests wait now and then. Fewer examples of each property than in make test,
# for somebody waits.
check: EXAMPLES ?= quick
check: $(READY)
	$(MAKE) --no-print-directory -j 2 lint quick EXAMPLES=$(EXAMPLES)

lint: $(READY)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

quick: $(READY)
	EXAMPLES=$(EXAMPLES) $(BIN)/pytest --quiet $(QUICK) \
	    -m "not slow and not prove and not cloud"

test: $(READY) $(NODE)
	$(MAKE) check EXAMPLES=ours
	$(BIN)/pytest --quiet $(SLOW) -m "slow and not prove and not cloud"

# Exhaustive tests, and those that need Debian's programs (.ci/run installs them).
prove: $(READY) $(NODE) $(BROWSER)
	$(BIN)/pytest --quiet $(PROVE) -m "prove and not cloud"

# Each edge for so many minutes: callbacks, the API, files, answers of Live and of Redis. What breaks
# a promise is saved in tests/fuzz/corpus, and tried first from then on.
fuzz: MINUTES ?= 10
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(if $(EDGE),--edge $(EDGE)) \
	    $(if $(SEED),--seed $(SEED))

bench: $(READY)
	$(BIN)/python -m benchmarks

package: $(READY)
	$(BIN)/live-record package

deploy: $(READY)
	$(BIN)/live-record deploy --stage "$(STAGE)" $(if $(YES),--yes)

rollback: $(READY)
	$(BIN)/live-record rollback --stage "$(STAGE)" $(if $(YES),--yes)

clean:
	rm -rf $(VENV) .live-record build dist *.egg-info
