"""GeneBERT from raw single-cell ATAC matrices to the paper's tables; see README.md and docs/."""

import re
import sys
from pathlib import Path
from typing import get_args

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

# Earlier versions lose defaults in remote jobs and nest retries.
min_version("9.15")
# Snakemake calls it without quotes, so that every job would end with an empty log.
if odd := re.search(r"[\s'\"\\`$&;()<>|*?]", sys.executable):
    raise WorkflowError(
        f"Python at {sys.executable}: found {odd[0]!r} in the path, which Snakemake's jobs cannot take; expected a "
        "virtual environment in a folder without (make VENV=/such/a/folder)"
    )


# Of this file: as a module, `workflow.basedir` is the folder of the workflow that takes it up.
BASE = Path(str(workflow.current_basedir))
if not (BASE / "src/genebert").is_dir():
    raise WorkflowError(
        f"{workflow.current_basedir}: found a Snakefile without src/genebert and config beside it; expected one in a "
        "checkout on this machine (git clone it, and name its Snakefile as the module's)"
    )


configfile: BASE / "config/config.yaml"


sys.path.insert(0, str(BASE / "src"))

from genebert.errors import InputError
from genebert.methods.registry import baselines
from genebert.run.cell_accessibility import (
    asked_files,
    block_settings,
    cell_accessibility_inputs,
    cell_accessibility_job,
    cell_accessibility_notes,
    embed_regions_inputs,
    extended_files,
    labelled_file,
    states_file,
)
from genebert.run.figure2 import embed_job, figure2_inputs
from genebert.run.learning_curves import learning_curve_files, learning_curve_rows, learning_curve_scores
from genebert.run.page import page_facts, page_inputs
from genebert.run.read_before import table_read
from genebert.run.run import FORMATS, MODEL_FILES, SPLITS, TASK_FILES, Run
from genebert.settings.data import Matrix
from genebert.settings.load import load_yaml, merge, shared

# A module is handed its configuration in place of `configfile`: what differs. All else is the other workflow's, of
# whose --config only what has come here is ours.
GIVEN = shared(workflow.config_settings.config, config)
try:
    RUN = Run(merge(load_yaml(BASE / "config/config.yaml"), config), BASE / "config", workflow.configfiles, GIVEN)
except InputError as error:
    raise WorkflowError(str(error)) from None

RESULTS, LOGS, BENCHMARKS = RUN.results, RUN.logs, RUN.benchmarks


include: "rules/common.smk"
include: "rules/retrieve.smk"
include: "rules/simulate.smk"
include: "rules/accessibility.smk"
include: "rules/sequences.smk"
include: "rules/motifs.smk"
include: "rules/corpus.smk"
include: "rules/pretrain.smk"
include: "rules/tasks.smk"
include: "rules/card.smk"
include: "rules/fit.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/cell_accessibility.smk"
include: "rules/report.smk"
include: "rules/targets.smk"


rule all:
    """Everything: the page of the run, its data card, training curves, all tables and figures."""
    default_target: True
    input:
        rules.report.output,
        rules.card.output,
        RUN.curve_files(),
        [RUN.table_files(table) for table in RUN.tables()],
        learning_curve_files(RUN),
        RUN.figure2_files(),
    localrule: True
