# Two commands: `make demo` runs the whole workflow on simulated data, `make test` runs the tests.
# Each sets up what it needs on a machine with Python 3.11, gcc and make; running it again installs nothing.

PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
READY := $(VENV)/.ready
SNAKEMAKE := $(VENV)/bin/snakemake
# Said before 7 GB are installed; the Snakefile says the same of any environment.
PLACE := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))
ifneq ($(words $(PLACE)),1)
$(error $(PLACE): found a space in the path, which Snakemake's jobs cannot take; expected a folder without, \
for the checkout or for its virtual environment (make VENV=/such/a/folder))
endif

.PHONY: demo test test-slow test-slurm test-conda exact pin-envs fuzz mutants kills check docs rehearsal clean

# One line of progress in place of hundreds; errors and the logs of failed jobs stand above it. (Of Snakemake's own means,
# --quiet rules hides which log a failed job has, and snakemake-logger-plugin-rich shows a panel as high as there are
# rules and no time left.)
demo: $(READY)
	$(VENV)/bin/python workflow/progress.py --cores $(CORES) --rerun-incomplete --configfile config/demo.yaml \
	    --prioritize table1 -- all
	@echo && cat results/demo/tables/table1.md && echo "All tables, figures and verdicts: results/demo/report.html"

# Each process is given whole stretches of tests, and takes half of another's when it has none left.
test: $(READY)
	$(VENV)/bin/python -m pytest -n $(CORES) --dist worksteal -m "not slow"

# The others: whole runs, benchmarks at their smallest size, public data (docs/testing.md).
test-slow: $(READY)
	$(VENV)/bin/python -m pytest -n $(CORES) --dist worksteal -m slow

# On a SLURM of this one machine, started for it; where there can be none it says why (docs/testing.md).
test-slurm: $(READY)
	GENEBERT_SLURM=1 $(VENV)/bin/python -m pytest tests/workflow/slurm -rs

# How many of 200 changes of the code the tests notice: about ten minutes on two idle cores (docs/testing.md).
mutants: $(READY)
	$(VENV)/bin/python tests/long/mutants.py --jobs $(CORES)

# Ten thousand damaged files for all readers: minutes.
fuzz: $(READY)
	$(VENV)/bin/python tests/long/fuzz.py --processes $(CORES)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile rules workflow/Snakefile
	$(SNAKEMAKE) --lint
	for config in "" config/demo.yaml config/chr20.yaml; do \
	    $(SNAKEMAKE) -n --quiet all $${config:+--configfile $$config} -- all || exit 1; \
	done

# README.md and docs/ as a site in site/; a link or anchor that leads nowhere is an error, as is a page without a place in
# the navigation (mkdocs.yml). Pages open from the folder; only the search needs a server, such as `mkdocs serve`.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build
	@echo "open site/index.html"

# The demo's stages killed a hundred times at random, and run again: docs/testing.md.
kills: $(READY)
	PYTHONPATH=tests $(VENV)/bin/python tests/long/kills.py --kills 100 --workers $(CORES)

# The run at test size from nothing, three times, on two cores and on one: every result byte by byte (docs/testing.md).
exact: $(READY)
	PYTHONPATH=tests/long $(VENV)/bin/python tests/long/exact.py

# Every stage in its own conda environment, at test size: with the machine's conda, or a stand-in (docs/testing.md).
test-conda: $(READY)
	$(VENV)/bin/python tests/conda/run.py --cores $(CORES)

# envs/*.pin.txt, by the machine's conda; CONDA_OVERRIDE_CUDA says for which CUDA (docs/slurm.md).
pin-envs: $(READY)
	$(VENV)/bin/python workflow/pin_envs.py

# Everything before pre-training at the paper's size: 25 GB of disk and about 20 minutes.
rehearsal: $(READY)
	$(VENV)/bin/python benchmarks/rehearsal.py --cores $(CORES)

# What pyproject.toml declares, in the versions of requirements.txt. The stamp is made last, so that an interrupted
# installation is done again.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.txt -e '.[workflow,test]'
	touch $@

$(VENV)/.docs: $(READY)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.txt -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) results/demo resources/simulated logs/demo .snakemake site
