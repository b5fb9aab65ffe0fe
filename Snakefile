"""GeneBERT from raw single-cell ATAC matrices to the paper's tables; see README.md and docs/."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

# Earlier versions lose `validate` defaults in remote jobs and nest retries.
min_version("9.15")


configfile: Path(workflow.basedir) / "config/config.yaml"


sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from genebert.run import configuration
from genebert.run import data_sets
from genebert.run import checks
from genebert.errors import InputError
from genebert.models.backbones import HUB
from genebert.sources.registry import load_registry
from genebert.sources.registry import read_tfbs_list
from genebert.sources.registry import select

BASE = Path(workflow.basedir)
try:
    MODELS = configuration.load_models(BASE / "config/models.yaml")
    checks.validate_config(config, MODELS, BASE / "config")
    REGISTRY = load_registry(BASE / "config")
    RETRIEVED = select(REGISTRY, config["retrieve"])
    config = configuration.normalise(config)
    DATA_SETS = data_sets.data_sets(config, read_tfbs_list(BASE / "config/tfbs.tsv"))
    ROWS = {table: data_sets.table_rows(config, DATA_SETS, table) for table in config["tables"]}
except InputError as error:
    raise WorkflowError(str(error)) from None

RUN = config["run"]
RESULTS = f"results/{RUN}"
LOGS = f"logs/{RUN}"
BENCHMARKS = f"{RESULTS}/benchmark"


include: "rules/common.smk"
include: "rules/retrieve.smk"
include: "rules/place.smk"
include: "rules/simulate.smk"
include: "rules/accessibility.smk"
include: "rules/sequences.smk"
include: "rules/motifs.smk"
include: "rules/corpus.smk"
include: "rules/pretrain.smk"
include: "rules/tasks.smk"
include: "rules/card.smk"
include: "rules/finetune.smk"
include: "rules/baselines.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"


localrules:
    all,
    retrieve,
    table1,
    table2,
    table6,
    learning_curves,


rule all:
    """Everything: the data card, training curves, all tables and figures of the run."""
    default_target: True
    input:
        rules.card.output,
        curve_files(),
        [table_files(name) for name, rows in ROWS.items() if rows],
        learning_curve_files(),


rule retrieve:
    """All files of the sets that the config key `retrieve` lists."""
    input:
        [retrieved_file(source) for source in RETRIEVED],


rule table1:
    """Table 1, promoters."""
    input:
        table_files("table1"),


rule table2:
    """Table 2, transcription factor binding sites."""
    input:
        table_files("table2"),


rule table6:
    """Table 6, binding sites by cell and tissue type, with training on one cell and testing on another."""
    input:
        table_files("table6"),


rule learning_curves:
    """Test AUC against the number of labelled examples."""
    input:
        learning_curve_files(),
