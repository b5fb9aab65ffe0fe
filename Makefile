# Two commands: `make demo` runs the whole workflow on simulated data, `make test` runs the tests.
# Each sets up what it needs on a machine with Python 3.11, gcc and make; running it again installs nothing.

PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
READY := $(VENV)/.ready
SNAKEMAKE := $(VENV)/bin/snakemake --cores $(CORES)

.PHONY: demo test check rehearsal clean

demo: $(READY)
	$(SNAKEMAKE) --configfile config/demo.yaml --quiet rules host progress -- all
	@echo && cat results/demo/tables/table1.md

test: $(READY)
	$(VENV)/bin/python -m pytest

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile rules
	$(VENV)/bin/snakemake --lint
	for config in "" config/demo.yaml config/chr20.yaml; do \
	    $(VENV)/bin/snakemake -n --quiet all $${config:+--configfile $$config} -- all || exit 1; \
	done

# Everything before pre-training at the paper's size: 25 GB of disk and about 20 minutes.
rehearsal: $(READY)
	$(VENV)/bin/python benchmarks/rehearsal.py --cores $(CORES)

# The stamp is made last, so that an interrupted installation is done again.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean:
	rm -rf $(VENV) results/demo resources/simulated logs/demo .snakemake
