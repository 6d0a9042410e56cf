# Liquid Control. `make help` lists the commands; each makes the environment first, when it is not there.

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
EXTRAS ?= dev
BUDGET ?= lite
TIMEOUT ?= 3600
# Any Python from 3.10 on; name another one with PYTHON=/path/to/python.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && { echo $$p; break; }; done)
# A browser is opened only where there is a screen, and root must say that it means it.
LAB_ARGS ?= $(shell [ "$$(uname)" = Darwin ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || echo --no-browser) \
	$(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
PIP := $(PY) -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed-$(EXTRAS)

.DEFAULT_GOAL := help
.PHONY: help lab test slow demo run notebooks sync bench readme repository doctor lint format clean environment \
	site site-check release grade slides live live-test

help:  ## this list
	@echo "Liquid Control: reinforcement learning with continuous-time neural networks"
	@echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo
	@echo "  e.g. make run NB=02 BUDGET=smoke      budgets: smoke, lite (default), full"

$(INSTALLED): pyproject.toml constraints.txt
	@$(or $(PYTHON),python3) -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 || { \
		echo "The course needs Python 3.10 or newer; $(or $(PYTHON),python3) is not. Install one, or name it: make $(or $(MAKECMDGOALS),lab) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@[ -x $(PY) ] || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; }
	@echo "installing (a few minutes the first time)"
	@$(PIP) install -qq --root-user-action=ignore --upgrade 'pip>=25'
	@$(PIP) install -qq --root-user-action=ignore --editable '.[$(EXTRAS)]' --constraint constraints.txt
	@touch $@

environment: $(INSTALLED)  ## make .venv and install everything into it

lab: $(INSTALLED)  ## open JupyterLab on notebook 01
	@nb=$$(ls notebooks/01_*.ipynb 2>/dev/null | head -n 1); \
	echo "JupyterLab starts; the address to open is printed below. Ctrl-C ends it."; \
	exec $(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url="/lab/tree/$$nb" $(LAB_ARGS)

test: $(INSTALLED)  ## unit tests, then every notebook in the smoke budget
	$(PY) -m pytest -n auto --dist worksteal tests
	$(PY) -m pytest -n auto --dist loadfile --nbval-lax --nbval-current-env notebooks

slow: $(INSTALLED)  ## what `make test` leaves out: tests that kill, race, compile and train; the learners' notebooks
	$(PY) -m pytest -n auto --dist worksteal -m slow tests
	COURSE_FORM=learner $(PY) -m pytest -n auto --dist loadfile --nbval-lax --nbval-current-env notebooks

demo: $(INSTALLED)  ## train, evaluate and film a policy in about a minute; see build/demo
	@$(PY) -m course_lib demo

run: $(INSTALLED)  ## run notebooks headless, e.g. NB=02 BUDGET=lite; HTML under build/
	@$(PY) scripts/notebooks.py run $(NB) --budget $(BUDGET) --timeout $(TIMEOUT)

notebooks: $(INSTALLED)  ## regenerate and execute the notebooks, all or NB=01
	@$(PY) scripts/notebooks.py execute $(NB) --budget $(BUDGET) --timeout $(TIMEOUT)

sync: $(INSTALLED)  ## regenerate the notebooks without executing them
	@$(PY) scripts/notebooks.py sync $(NB)

bench:  ## every benchmark's table; trains what is missing (many hours), measures speeds anew; QUICK=--quick for a minute each
	@$(MAKE) --no-print-directory environment EXTRAS=dev,bench,peers,instructor,site,browser
	@failed=; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(PY) $$script $(QUICK) || failed="$$failed $$script"; \
		done; [ -z "$$failed" ] || { echo "these ended with an error:$$failed" >&2; exit 1; }

readme: $(INSTALLED)  ## write the results table of README.md from assets/results
	@$(PY) scripts/readme_table.py

slides: $(INSTALLED)  ## slides for the front of a class, all or NB=03, into build/slides
	@$(PY) scripts/slides.py $(NB)

release:  ## a graded class: notebooks for students, all or NB=03; see docs/handbook/grading.md
	@$(MAKE) --no-print-directory environment EXTRAS=dev,instructor
	@$(PY) scripts/classroom.py release $(NB)

grade:  ## a graded class: points and feedback for what lies in build/class/submitted
	@$(MAKE) --no-print-directory environment EXTRAS=dev,instructor
	@$(PY) scripts/classroom.py grade $(NB)

live: $(INSTALLED)  ## policies at work in your browser: build the live player (Node 20 or newer) and serve it
	@$(PY) scripts/live.py build || { [ -f web/dist/index.html ] && echo "what was built before is served"; }
	@exec $(PY) scripts/live.py serve

live-test: $(INSTALLED)  ## the live player's parts beside Python, with Node 20 or newer
	@cd web && npm ci --silent && npx tsc --noEmit && npx vitest run

site:  ## build the web site; open build/site/index.html
	@$(MAKE) --no-print-directory environment EXTRAS=dev,site
	@$(PY) scripts/website.py

site-check:  ## look at every page of the site in a browser
	@$(MAKE) --no-print-directory environment EXTRAS=dev,site,browser
	@$(PY) benchmarks/website.py

repository: $(INSTALLED)  ## point badges, set-up cells and links to a fork: SLUG=owner/name REF=tag
	@$(PY) scripts/notebooks.py repository "$(SLUG)" $(REF)

doctor: $(INSTALLED)  ## check this machine, with a cure for each trouble
	@$(PY) -m course_lib doctor

lint: $(INSTALLED)  ## check the layout, the code and the import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED)  ## lay out the code and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## remove what the commands made, except .venv, runs and the class in build/class
	[ ! -d build ] || find build -mindepth 1 -maxdepth 1 -not -name class -exec rm -rf {} +
	rm -rf dist web/dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis MUJOCO_LOG.TXT notebooks/MUJOCO_LOG.TXT
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
