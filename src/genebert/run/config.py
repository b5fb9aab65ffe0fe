"""The configuration as one class: what ``config/config.yaml`` holds, and what overlays may change."""

from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import Annotated, Any

from genebert.evaluation.kinds.person import PersonStatus
from genebert.evaluation.site_labels import KIND as BASES
from genebert.models.backbones import REGION_ENCODERS
from genebert.settings.cell_accessibility import CellAccessibilitySettings
from genebert.settings.cohort import CohortSimulationSettings
from genebert.settings.data import (
    AccessibilitySettings,
    CorpusSettings,
    GenomeSettings,
    MotifSettings,
    SimulationSettings,
)
from genebert.settings.fields import Block, key
from genebert.settings.figure2 import Figure2Settings
from genebert.settings.fitting import CURVE, Changes, CurveSettings, FinetuneSettings, Row, TaggerChanges
from genebert.settings.models import ModelEntry, TrainedModelSettings
from genebert.settings.resources import Resources
from genebert.settings.rules import Chromosome, Count, FilePath, Name, Rule, Seed, Text
from genebert.tasks.base import Task
from genebert.tasks.registry import all_tasks

Entries = dict[Name, Annotated[ModelEntry, Rule(partial=True)]]
Rows = dict[Text, Row]  # none: the run goes without the table
CHROMOSOMES = [*(f"chr{number}" for number in range(1, 23)), "chrX"]
SPLICING = ["splice-pwm", "splice-logreg", "splice-trees", "spliceai-80", "spliceai-400", "spliceai-2k", "spliceai-10k",
            "spliceai-published"]  # fmt: skip
NETWORKS = ["from-scratch", "dnabert", "genebert"]
RATES = [f"{name}-2e-4" for name in NETWORKS]  # DNABERT was fine-tuned at 3e-5, and its core promoters at 2e-4
CONVOLVED = [f"{name}-conv" for name in NETWORKS]  # ours: filters over bases beside the embeddings
RISK = ["one-snp", "listed-snps", "common-variants", "polygenic", "sex", "disrupted-motifs"]
FROZEN = [f"{name}-frozen" for name in NETWORKS]
MOTIFS = ["motif-best", "motif-l1", "motif-trees"]
LITERAL = ["srm-paper-exp", "srm-paper-literal", "pooling-cls", "classifier-cls", "not-centred", "image-resize",
           "matrix-binary", "all-of-paper"]  # fmt: skip
BATCHES = (16, 32, 64, 128, 256, 512)
LAMBDAS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
SIMPLE = ["kmer-logreg", "boosted-trees", *MOTIFS, "cnn"]
REGRESSED = "genebert-conv-regression"  # predicts best scores, and is fine-tuned from these
MODELS = [*NETWORKS, *CONVOLVED, REGRESSED, *RATES, "paper-literal"]
WINDOWS = [f"{name}-{context}" for name in NETWORKS for context in ("80nt", "256nt", "400nt", "2k")]


@dataclass(frozen=True)
class Tables(Block):
    """A data set as task/name, or a task for all of its sets, and the models and baselines of its rows.

    Rows that end in 2e-4 are fine-tuned at that rate (config/models.yaml): DNABERT's authors used 3e-5 and 2e-4. Those
    that end in conv have filters over bases.
    """

    block = "tables"

    table1: Rows = key({"promoter/prom-core": [*SIMPLE, *MODELS]}, "promoters")
    table1_extended: Rows = key(
        {"promoter/prom-core-genomic": [*SIMPLE, *MODELS]}, "promoters against the genome, of equal GC and CpG"
    )
    table2: Rows = key({"tfbs": ["pwm", *SIMPLE, *MODELS]}, "TF binding sites")
    table3: Rows = key(
        {"disease/HSCR-RET": [*RISK, *NETWORKS], "disease/HSCR-RET-Long": [*RISK, *FROZEN]},
        "disease risk",
        more="Of the long set the encoder stays as it is: every step would train through thousands of sequences.",
    )
    table4: Rows = key(
        {"splicing": [*SPLICING, *NETWORKS, *WINDOWS]}, "splice sites; left out without a set (tasks.splicing)"
    )
    table5: Rows = key({"promoter": ["no-losses", "dnabert", "mgm", "mgm-ngsp", "mgm-ngsp-srm"]}, "losses")
    table5_extended: Rows = key(
        {"promoter": ["mgm-ngsp-srm", *LITERAL]}, "losses: each of the paper's settings that our defaults leave"
    )
    table6: Rows = key({"tfbs": ["pwm", *SIMPLE, *MODELS]}, "TF binding sites by cell and tissue")
    table6_extended: Rows = key(
        {}, "peaks that differ between cells: sets of tasks.tfbs.own with differs_from, by name (docs/tasks.md)"
    )
    table7: Rows = key({"promoter": [*REGION_ENCODERS]}, "region encoders; the last is ours")
    table8: Rows = key(
        {"promoter": [*(f"batch-{n}" for n in BATCHES), *(f"lambda-{value}" for value in LAMBDAS)]},
        "batch sizes, for equal steps, and weights of the matching loss",
    )
    table8_extended: Rows = key({"promoter": [f"batch-{n}-equal" for n in BATCHES]}, "batch sizes, for equal samples")


# Kinds of the data sets that tables show; the others show two classes.
TABLE_KINDS = {"table3": PersonStatus.name, "table4": BASES}


def changes_of(kind: str) -> Any:
    """Return the type of what differs in fine-tuning for tasks of a kind."""
    return TaggerChanges if kind == BASES else Changes


def _of_tasks(name: str, doc: str, fields: list[tuple[str, Any, Any]]) -> type[Block]:
    """Return a block class with a key for each task."""
    namespace = {"block": name.lower(), "__doc__": doc, "__module__": __name__}
    return make_dataclass(name, fields, bases=(Block,), namespace=namespace, frozen=True)


def config_class() -> type[Block]:
    """Return the class of the whole configuration; its keys `tasks` and `finetune` follow from the tasks there are."""
    return _config_class(tuple(all_tasks().values()))


def _blocks_of_tasks(tasks: tuple[Task, ...]) -> tuple[type[Block], type[Block]]:
    """Return the classes of the blocks `tasks` and `finetune`."""
    sections = [
        (task.name, task.section, key(task.default, (task.__doc__ or task.name).split("\n")[0])) for task in tasks
    ]
    fitting = [
        ("seeds", Annotated[list[Seed], Rule(some=True, unique=True)],
         key([0, 1, 2, 3, 4], "each is a row of scores; tables show mean and sd")),
        ("keep_classifiers", bool, key(False, "keep what was fitted below results/{run}/classifiers/")),
        ("default", FinetuneSettings, key(FinetuneSettings(), "of every task")),
        *((task.name, changes_of(task.kind), key({}, f"over the default, for {task.name}")) for task in tasks),
    ]  # fmt: skip
    return (
        _of_tasks("Tasks", "Downstream data sets.", sections),
        _of_tasks("Finetune", "Fine-tuning of pre-trained models.", fitting),
    )


@cache
def _config_class(tasks: tuple[Task, ...]) -> type[Block]:
    Tasks, Finetune = _blocks_of_tasks(tasks)

    @dataclass(frozen=True)
    class Config(Block):
        """The paper's scale, and the default."""

        run: Name = key("paper", "results land in results/{run}/")
        scale: Text = key("paper scale", "printed beside the run's name on every table and figure")
        notes: list[Text] = key([], "footnotes of every table")
        seed: Seed = key(42, "of everything before fine-tuning: simulation, splits, pre-training")
        data: FilePath = key("resources", "what `{data}` stands for")
        retrieve: Annotated[list[str], Rule(unique=True, expected="a list of sets of config/sources.tsv")] = key(
            ["paper"],
            "sets of config/sources.tsv that `snakemake retrieve` fetches; spliceai, hscr, dream: what you placed",
        )
        mirror: Annotated[str | None, Rule(some=True, expected="a folder, a URL or null")] = key(
            None, "folder or URL prefix with the files of config/sources.tsv under their names (a copy of resources/)"
        )
        chromosomes: Annotated[list[Chromosome], Rule(some=True)] = key(
            CHROMOSOMES, "chr1-22 and X: the paper does not say; Y and M are left out"
        )
        simulate: SimulationSettings = key(SimulationSettings(), "the toy atlas of config/demo.yaml")
        cohort: CohortSimulationSettings = key(
            CohortSimulationSettings(), "a simulated cohort of cases and controls round RET, on the run's genome"
        )
        genome: GenomeSettings = key(GenomeSettings(), "the reference genome")
        accessibility: AccessibilitySettings = key(AccessibilitySettings(), "from counts to accessible regions")
        motifs: MotifSettings = key(MotifSettings(), "the regions x motifs matrix")
        corpus: CorpusSettings = key(CorpusSettings(), "samples of pre-training")
        model: TrainedModelSettings = key(
            TrainedModelSettings(), "what every model of config/models.yaml starts from; an entry lists what differs"
        )
        ablation_steps: Count | None = key(
            None, "steps of the models of Tables 5, 7 and 8 (`ablation` of an entry); null: model.training.steps"
        )
        models: Entries = key({}, "changes to entries of config/models.yaml, and further models")
        tasks: Tasks = key(Tasks(), "downstream data sets")
        finetune: Finetune = key(Finetune(), "fine-tuning")
        methods: dict[Text, dict[str, Any]] = key({}, "baseline -> those of its settings that differ from its defaults")
        tables: Tables = key(Tables(), "rows of the tables")
        learning_curves: dict[Text, CurveSettings] = key(
            {
                "promoter/prom-core": CurveSettings(finetune={"epochs": 30, "patience": 10}),
                "tfbs": CurveSettings(models=["pwm", *CURVE], finetune={"epochs": 30, "patience": 10}),
            },
            "test AUC against the number of labelled examples, one figure a data set",
        )
        figure2: Figure2Settings = key(Figure2Settings(), "Figure 2: embeddings of two models in the plane")
        cell_accessibility: CellAccessibilitySettings = key(
            CellAccessibilitySettings(), "an extended table: what of accessibility is specific to cell types"
        )
        unavailable: dict[str, Annotated[str, Rule(some=True, expected="the reason")]] = key(
            {}, "model or task/data set that you cannot have -> why; its rows say so, nothing of it is run"
        )
        resources: Resources = key(Resources(), "what rules ask a cluster for; a laptop ignores all but threads")

    return Config
