# Needs Python ≥ 3.11 and git. Everything else, uv included, is fetched on first use.

UV := $(shell command -v uv || echo .tools/bin/uv)
PYTHON ?= python3
DEMO ?= demo/shop

# What a repository's own `make` does in a test or in the demo is for it to say, and not for ours.
# Thousands of short commands run: they keep their bytecode.
unexport MAKEFLAGS MAKEOVERRIDES MFLAGS only PYTHONDONTWRITEBYTECODE

# Tests of a marker, in the files that have it or in those that are asked for: no suite loads what others need.
marked = -m $(1) $(or $(only),$(sort $(shell grep -rl --include='test_*.py' 'mark\.$(1)\b' tests)))

.DEFAULT_GOAL := help
.PHONY: help demo two-instances test test-carve test-console test-data test-deployment test-docs test-image test-moves test-mutations test-observability test-pipeline test-system test-update pictures recording check bench docs format release

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: | $(UV)  ## Generate a shop, add a module, run it and call it: make demo DEMO=/path/to/shop
	$(UV) run --quiet --no-dev python examples/demo.py $(DEMO)

two-instances: | $(UV)  ## Run the shop as on several machines, behind HAProxy (needs it installed)
	$(UV) run --quiet python examples/two_instances.py $(DEMO)

test: | $(UV)  ## Run the tests: make test only=tests/test_names.py
	$(UV) run pytest -n auto --dist loadfile --no-loadscope-reorder -m "not system and not observability and not browser and not pipeline and not deployment and not image and not updates and not mutations and not moves and not carved and not data and not docs" $(only)

test-update: | $(UV)  ## Update repositories of this template's whole past, and try many more edits (takes minutes)
	EXAMPLES=40 $(UV) run pytest -n auto --dist loadfile --no-loadscope-reorder tests/test_update_history.py tests/test_update_properties.py tests/adopting/test_adopt_history.py $(only)

test-carve: | $(UV)  ## Carve billing out of the example, and kill what places orders at each step
	$(UV) run pytest $(call marked,carved)

test-data: | $(UV)  ## Move data to another server under load, and back, and kill who takes part (ROWS=1000000 KILLS=30 for long; needs Debian's PostgreSQL 15)
	$(UV) run pytest $(call marked,data)

test-moves: | $(UV)  ## Rename and remove modules while the shop serves and works
	$(UV) run pytest $(call marked,moves)

test-mutations: | $(UV)  ## Break ten promises of the platform: the tests of a repository must notice
	$(UV) run pytest $(call marked,mutations)

test-observability: | $(UV)  ## Break the shop under Prometheus and Alertmanager (needs both, and HAProxy)
	$(UV) run pytest $(call marked,observability)

test-system: | $(UV)  ## Run the tests that need root, Debian's PostgreSQL, Redis and HAProxy, and an ordinary user
	$(UV) run pytest -n auto --dist loadfile --no-loadscope-reorder $(call marked,system)

test-pipeline: | $(UV)  ## Lint and run the generated pipelines (needs jq and rsync)
	$(UV) run --group pipeline --group deployment pytest -n auto --dist loadfile --no-loadscope-reorder $(call marked,pipeline)

test-deployment: | $(UV)  ## Check the generated manifests and run what they say (needs psql and promtool)
	$(UV) run --group pipeline --group deployment pytest -n auto --dist loadfile --no-loadscope-reorder $(call marked,deployment)

test-image: | $(UV)  ## Build and run the generated image (needs root, and Debian's buildah, podman and more)
	$(UV) run --group image --group pipeline pytest -rP $(call marked,image)

test-docs: docs | $(UV)  ## Make the site, and type what the documentation says
	$(UV) run pytest -n auto $(call marked,docs)

test-console: | $(UV)  ## Run the tests that drive the console in a browser (needs Debian's chromium)
	$(UV) run pytest $(call marked,browser)

pictures: | $(UV)  ## Take the pictures of the console in docs/ anew (with Debian's fonts-inter, fonts-jetbrains-mono)
	PICTURES=docs $(UV) run pytest $(call marked,browser)

recording: | $(UV)  ## Record `make demo` anew for the README
	$(UV) run --group recording python examples/record_demo.py

check: | $(UV)  ## Style and types
	$(UV) run ruff format --check
	$(UV) run ruff check
	$(UV) run mypy

bench: | $(UV)  ## Compare with peers, and write docs/benchmarks.md (needs npm): make bench only=jobs
	$(UV) run python -m bench $(only)

docs: | $(UV)  ## Make the site of docs/ in site/, and refuse what is broken in it
	rm -rf site docs/releases docs/repository
	$(UV) run --group docs sphinx-build --builder html --nitpicky --fail-on-warning --keep-going --quiet --write-all --doctree-dir .tools/doctrees docs site

format: | $(UV)  ## Format the code and sort the imports
	$(UV) run ruff check --fix
	$(UV) run ruff format

release: | $(UV)  ## Check, commit and tag what is new: make release version=1.2.0 (dry-run=yes: only say it)
	$(UV) run --quiet python -m release "$(version)" --dry-run $(if $(dry-run),,>/dev/null)
ifndef dry-run
	$(MAKE) check
	$(UV) run --quiet python -m release "$(version)"
endif

.tools/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python")'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
