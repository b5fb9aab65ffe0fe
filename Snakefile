"""GeneBERT from raw single-cell ATAC matrices to the paper's tables; see README.md and docs/."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

# Earlier versions lose `validate` defaults in remote jobs and nest retries.
min_version("9.15")


configfile: Path(workflow.basedir) / "config/config.yaml"


sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from genebert import configuration
from genebert.errors import InputError
from genebert.sources import load_registry, select

BASE = Path(workflow.basedir)
try:
    MODELS = configuration.load_models(BASE / "config/models.yaml")
    configuration.validate_config(config, MODELS, BASE / "config/schemas")
    REGISTRY = load_registry(BASE / "config")
    RETRIEVED = select(REGISTRY, config["retrieve"])
except InputError as error:
    raise WorkflowError(str(error)) from None
config = configuration.normalise(config)

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


localrules:
    all,
    retrieve,
    table1,


rule all:
    """Everything: the data card, training curves and all tables of the run."""
    default_target: True
    input:
        rules.card.output,
        curve_files(),
        [table_files(name) for name in config["tables"]],


rule retrieve:
    """All files of the sets that the config key `retrieve` lists."""
    input:
        [retrieved_file(source) for source in RETRIEVED],


rule table1:
    """Table 1, promoters."""
    input:
        table_files("table1"),
