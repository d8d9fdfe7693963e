# Needs python3 >= 3.11, make and the Python package registry; everything else goes into .venv.
# Another interpreter, for a new .venv: make PYTHON=python3.12 test
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# Removed first and written last, so that an interrupted installation is started afresh.
INSTALLED := .venv/.installed

.PHONY: audit calibrate fuzz help mutation .venv figures test lab lint bench versions

help:
	@echo "make figures   run every notebook and write figures/"
	@echo "make test      ruff and pytest, which runs the notebooks too"
	@echo "make lab       open JupyterLab on notebooks/"
	@echo "make calibrate  the checks of the statistics on many data sets; an hour"
	@echo "make fuzz      every reader on damaged files, 20 minutes"
	@echo "make mutation  small faults in the code that tests must notice, an hour"
	@echo "make lint      ruff only"
	@echo "make bench     every benchmark, an hour; writes benchmarks/results/"
	@echo "make audit     known flaws of the locked packages, and of biomask's own code"
	@echo "make versions  the tests with the lowest releases allowed, and with the newest"
	@echo "make .venv     only install; the others do this when it is missing or stale"

.venv: $(INSTALLED)

# Byte code is compiled here even where PYTHONDONTWRITEBYTECODE is set: without it
# "import keras" takes 17 seconds every time.
$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "biomask needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one, such as: make PYTHON=python3.12 .venv")'
	@echo "Installing biomask and what it needs into .venv (a few minutes) ..."
	@if [ -f $@ ]; then rm $@; else env -u PYTHONDONTWRITEBYTECODE $(PYTHON) -m venv --clear .venv; fi
	@env -u PYTHONDONTWRITEBYTECODE $(VENV_PYTHON) -m pip install -qq \
		--disable-pip-version-check --constraint requirements.lock --editable ".[dev]"
	@touch $@

figures: .venv
	@$(VENV_PYTHON) notebooks/run.py

lint: .venv
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .

test: lint
	@$(VENV_PYTHON) -m pytest

lab: .venv
	@$(VENV_PYTHON) -m jupyterlab $(LABFLAGS) notebooks

# PyTorch's rows appear where torch (and kpnn2) can be imported; nothing here installs them.
bench: .venv
	@$(VENV_PYTHON) -m benchmarks

# CALIBRATEFLAGS=.1 for a tenth of the data sets
calibrate: .venv
	@$(VENV_PYTHON) tests/calibration/run.py $(CALIBRATEFLAGS)

# The two tools live beside .venv, so that they change none of its versions.
.audit/.installed:
	@$(PYTHON) -m venv --clear .audit
	@.audit/bin/python -m pip install -qq --disable-pip-version-check pip-audit bandit
	@touch $@

# --strict: a package that could not be looked up is a failure, not a pass.
audit: .audit/.installed
	@.audit/bin/bandit -q -r biomask
	@.audit/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip

# The lowest releases that pyproject.toml allows, and the newest there are, both from where pip gets
# its own. Left out is what looks at .venv itself, and what takes long in a notebook or a browser.
VERSIONSFLAGS ?= -q --ignore=tests/acceptance/test_soak.py \
	--ignore=tests/acceptance/test_kill_and_resume.py $(patsubst %,--ignore=tests/test_%.py, \
	benchmarks browser environment notebooks report_browser)
versions: versions-lowest versions-newest
versions-lowest: RESOLUTION := lowest-direct
versions-newest: RESOLUTION := highest

versions-%: .versions/uv/.installed
	@echo "biomask with the $* releases ..."
	@.versions/uv/bin/uv venv --quiet --clear --python $(PYTHON) .versions/$*
	@UV_DEFAULT_INDEX=$$($(PYTHON) -m pip config get global.index-url 2>/dev/null) \
		.versions/uv/bin/uv pip install --quiet --compile-bytecode --resolution $(RESOLUTION) \
		--python .versions/$*/bin/python --editable ".[dev]"
	@.versions/$*/bin/python -m pytest $(VERSIONSFLAGS)

.versions/uv/.installed:
	@$(PYTHON) -m venv --clear .versions/uv
	@.versions/uv/bin/python -m pip install -qq --disable-pip-version-check uv
	@touch $@

# FUZZFLAGS=60 for an hour of each; atheris, where it is installed, follows hypothesis
FUZZFLAGS ?= 10
fuzz: .venv
	@$(VENV_PYTHON) tests/fuzz/run.py $(FUZZFLAGS)

# Coverage tells which tests run a line; beside .venv, as the tools of audit are.
.mutation/.installed: $(INSTALLED)
	@$(VENV_PYTHON) -m pip install -qq --disable-pip-version-check --upgrade --no-deps \
		--target .mutation coverage pytest-cov
	@touch $@

# MUTATIONFLAGS="masks 100 7" for 100 faults of masks, other ones than those of seed 0
mutation: .mutation/.installed
	@PYTHONPATH=.mutation $(VENV_PYTHON) tests/mutation/run.py $(MUTATIONFLAGS)
