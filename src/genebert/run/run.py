"""What a configuration asks for: models, data sets, rows of tables, and the files of each rule.

The Snakefile holds one :class:`Run`; methods that take `wildcards` are input functions and parameters of rules. No
science, nothing heavy: every cluster job makes it again.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.evaluation.kinds.person import PersonStatus
from genebert.genome.chromosomes import normalise_chromosome
from genebert.methods.registry import METHODS, baselines, fine_tuning
from genebert.models.backbones import HUB
from genebert.models.folders import WEIGHTS, weights_file
from genebert.paper import ABLATIONS, EXTENDED, number_of
from genebert.run.checks import absences, checked, data_sets
from genebert.run.config import config_class
from genebert.run.models import SEEDED, Models, is_trained, load_models, starts_from
from genebert.run.together import common, curves_of, expanded
from genebert.settings.data import FORMAT_KEYS, OPTIONAL_KEYS
from genebert.settings.fitting import lay_over
from genebert.settings.load import expand, from_text, load_yaml, merge
from genebert.settings.models import has_region_encoder, reads
from genebert.settings.resources import Resources
from genebert.sources.registry import load_registry, select
from genebert.tasks.registry import all_tasks

SPLITS = [f"{split}.parquet" for split in ("train", "valid", "test")]
TASK_FILES = [*SPLITS, "card.json"]
MODEL_FILES = ("config.json", "model.safetensors", "vocab.txt", "model.json")
FORMATS = ("csv", "md", "html", "tex")
TRANSFER_TABLE = "table6"


def read_run(folder: str | Path, overlays: Iterable[str | Path] = (), given: Mapping | None = None) -> "Run":
    """Return the run of a folder ``config``, overlays and settings, as ``snakemake --configfile --config`` sees it."""
    config = load_yaml(Path(folder) / "config.yaml")
    for path in overlays:
        config = merge(config, load_yaml(path))
    return Run(config, Path(folder), given=given)


def normalised(config: dict) -> dict:
    """Return a configuration with ``{data}`` replaced by its key `data`, and ``chr20`` for ``20``."""
    config = expand(config, config["data"])
    for block, key in ((config, "chromosomes"), (config["corpus"], "holdout_chromosomes")):
        block[key] = list(map(normalise_chromosome, block[key]))
    return config


class Run:
    """A checked configuration and what follows from it; an InputError says all that is wrong with it, a line each.

    Parameters
    ----------
    config : dict
        ``config/config.yaml`` with all that is laid over it.
    folder : path
        The folder ``config``.
    files : list of path
        What `config` was read from, for keys that stand twice in one: Snakemake keeps the last without a word.
    given : dict
        What of `config` was given as ``--config``: Snakemake hands over numbers in its blocks as text.
    """

    def __init__(self, config: dict, folder: Path, files: Iterable[str | Path] = (), given: Mapping | None = None):
        for file in files:
            load_yaml(file)
        config = merge(config, from_text(config_class(), given or {}))
        entries = load_models(folder / "models.yaml")
        self.config = normalised(checked(config, entries, folder))
        self.folder = folder
        self.models = Models(self.config, entries)
        self.tasks = all_tasks()
        self.sets = data_sets(self.config, folder)
        self.name = self.config["run"]
        self.results, self.logs = f"results/{self.name}", f"logs/{self.name}"
        self.benchmarks = f"{self.results}/benchmark"
        self.seeds = self.config["finetune"]["seeds"]
        self.resources = Resources(**self.config["resources"])
        self.absent = absences(self.config, self.sets)
        self.rows = {table: self._had(expanded(rows, self.sets)) for table, rows in self.config["tables"].items()}
        self.curves = curves_of(self.config["learning_curves"], self.sets)
        self.registry = load_registry(folder)
        self.wanted = select(self.registry, self.config["retrieve"])
        motifs = self.config["motifs"]
        self.jaspar = f"resources/jaspar/{motifs['release']}.{motifs['order']}"  # motif matrices, without the suffix
        self.genome = self.stage("genome", "genome.fa", "genome.fa.fai", "genome.json")
        self.sequences = self.stage("sequences", "regions.npy", "offsets.npy", "regions.json")
        self.motifs = self.motif_files(motifs["matrix"])
        self.groups = self.stage("corpus", "groups.npz", "corpus.json")
        self.motif_training = (
            self.groups if motifs["composition"] == "remove" else []
        )  # whose regions scores are fitted on

    def _had(self, rows: dict[str, list[str]]) -> dict[str, list[str]]:
        """Return the rows of a table, none where the run can have no data set of it: it goes without that table."""
        return {} if set(rows) <= set(self.absent) else rows

    def stage(self, name: str, *files: str) -> list[str]:
        """Return files of a stage's folder."""
        return [f"{self.results}/{name}/{file}" for file in files]

    def motif_files(self, form: str) -> list[str]:
        """Return the region x TF matrix in one form; in another than the run's it lies in a folder of its own."""
        own = form == self.config["motifs"]["matrix"]
        return self.stage("motifs" if own else f"motifs/{form}", "matrix.npy", "motifs.tsv", "motifs.json")

    # ----------------------------------------------------------------------------------------------- external files

    def retrieved(self) -> list[str]:
        """Return what shows that the files of `retrieve` are there: themselves, or the check of one placed by hand."""
        names = [one.name if one.access == "open" else f"placed/{one.name}.json" for one in self.wanted]
        return [f"resources/{name}" for name in names]

    @staticmethod
    def placed_file(wildcards: Any) -> list[str]:
        """Return a file placed by hand, once it is there; its rule explains where to get it before."""
        path = f"resources/{wildcards.source}"
        return [path] if Path(path).exists() else []

    def matrix_files(self) -> dict[str, Any]:
        """Return key -> file(s) of the accessibility data, as their format needs them."""
        settings = self.config["accessibility"]
        files = settings | {"beds": list(settings["beds"].values())}
        read = FORMAT_KEYS[settings["format"]] + OPTIONAL_KEYS.get(settings["format"], ())
        needed = [key for key in ("matrix", "peaks", "cells", "barcodes", "beds") if key in read]
        return {key: files[key] for key in (*needed, "blacklist") if files[key]}

    def raw_files(self) -> dict[str, str]:
        """Return name -> file of all that pre-training data and data sets are made from."""
        files = self.matrix_files()
        if files.pop("beds", None):
            files |= {f"peaks of {name}": path for name, path in self.config["accessibility"]["beds"].items()}
        files |= {"genome": self.config["genome"]["fasta"], "motifs": f"{self.jaspar}.txt"}
        for name in self.sequence_set_names():
            task, _, dataset = name.partition("/")
            own = self.tasks[task].files(self.sets[task][dataset])
            files |= {f"{name}, {key}": path for key, path in own.items()}
        return files

    # ---------------------------------------------------------------------------------------------------------- models

    @property
    def places(self) -> dict[str, Any]:
        """What tells which samples the run's models crop, but for entries of their own sizes."""
        model = self.config["model"]
        encoder = model["sequence_encoder"]
        return {"k": model["k"], "max_tokens": encoder["max_tokens"], "layout": model["layout"]}

    def model_files(self, name: str) -> list[str]:
        """Return what a trained model is known by; two names with equal settings share one folder."""
        return self.stage(f"models/{self.models.canonical[name]}", *MODEL_FILES)

    def pretrain_inputs(self, wildcards: Any) -> dict[str, list[str]]:
        """Return what a model is made from: initial weights, and the files that its losses read."""
        model = self.models.resolved[wildcards.model]
        weights, origin = model["sequence_encoder"]["weights"], starts_from(model)
        files = self.model_files(origin) if origin else self._weights_files(weights) if weights else []
        image = model["region_encoder"]["weights"]
        if image not in (None, HUB) and has_region_encoder(model):  # an untrained model has none
            files.append(image)
        data = {"sequences": self.sequences, "motifs": self.motif_files(model["matrix"]), "corpus": self.groups}
        return {"weights": files} | {name: data[name] for name in reads(model)}

    def _weights_files(self, folder: str) -> list[str]:
        """Return the files of a folder of weights: those that lie there, else those that are downloaded to there."""
        paths = [f"{folder}/{name}" for name in WEIGHTS]
        downloaded = [path for path in paths if path.removeprefix("resources/") in self.registry]
        if Path(folder).is_dir() and not downloaded:
            weights_file(folder)
        there = [path for path in paths if Path(path).is_file()]
        return [f"{folder}/config.json", f"{folder}/vocab.txt", (there or downloaded or paths)[0]]

    def pretrain_model(self, wildcards: Any) -> dict[str, Any]:
        """Return the full settings of a model; another model as its start is a folder."""
        model = self.models.resolve(wildcards.model)
        if origin := starts_from(model):
            model["sequence_encoder"]["weights"] = f"{self.results}/models/{self.models.canonical[origin]}"
        return model

    def pretrain_seed(self, wildcards: Any) -> int:
        """Return the seed that a model is pre-trained with."""
        return self.models.seed(wildcards.model)

    def shown_models(self, *, ablations: bool = False) -> list[str]:
        """Return the models of tables, in their order, without baselines and what cannot be had; ablations if asked.

        Each with its further seeds, where a table shows it, also those that an equal entry names.
        """
        shown = [self.rows[table] for table in self.tables() if ablations or number_of(table)[0] not in ABLATIONS]
        used = set(self.figure2_models().values())
        for data_set, row in ((data_set, row) for rows in shown for data_set, own in rows.items() for row in own):
            used |= {row, *(one for one in self._fitted(data_set, row) if SEEDED in one)}
        names = [name for name in self.models.names if name in used]
        return [name for name in names if not self.models.reason_of_absence(name)]

    def curve_files(self) -> list[str]:
        """Return the training curves of trained models; those of ablations and further seeds are had by their path."""
        shown = sorted({self.models.canonical[name] for name in self.shown_models() if SEEDED not in name})
        trained = [name for name in shown if is_trained(self.models.resolved[name])]
        return self.stage("figures/pretrain", *(f"{name}.{suffix}" for name in trained for suffix in ("svg", "png")))

    # ----------------------------------------------------------------------------------------------------- data sets

    def data_set_names(self) -> list[str]:
        """Return the data sets that can be had, as task/data set."""
        names = [f"{task}/{name}" for task, sets in self.sets.items() for name in sets]
        return [name for name in names if name not in self.config["unavailable"]]

    def sequence_set_names(self) -> list[str]:
        """Return those whose examples are sequences or places in the genome, which people are not; no extended ones."""
        names = (name.partition("/")[::2] for name in self.data_set_names())
        return [
            f"{task}/{name}"
            for task, name in names
            if self.tasks[task].kind != PersonStatus.name and name in common(self.sets[task])
        ]

    def task_inputs(self, wildcards: Any) -> dict[str, Any]:
        """Return what a data set is made from."""
        task, settings = self.tasks[wildcards.task], self.sets[wildcards.task][wildcards.dataset]
        genome = {"genome": self.genome} if task.reads_genome(settings) else {}
        return task.files(settings) | task.indexes(settings) | genome

    def task_settings(self, wildcards: Any) -> dict[str, Any]:
        """Return the settings of a data set, without what only its tests use, or tables."""
        settings = self.sets[wildcards.task][wildcards.dataset]
        return {key: value for key, value in settings.items() if key not in ("transfer", "extended")}

    # ----------------------------------------------------------------------------------------------- methods and scores

    def reason_of_absence(self, name: str, method: str) -> str | None:
        """Return why a data set (task/data set) or method cannot be had, None for one that can."""
        return self.models.reason_of_absence(method, name)

    def transfer_folders(self, wildcards: Any) -> dict[str, str]:
        """Return name -> folder of the other data sets that a method fitted on this one is tested on."""
        others = self.sets[wildcards.task][wildcards.dataset].get("transfer", [])
        able = [name for name in others if f"{wildcards.task}/{name}" not in self.config["unavailable"]]
        return {name: f"{self.results}/tasks/{wildcards.task}/{name}" for name in able}

    def method_of(self, task: str, row: str) -> str:
        """Return the method of a table's row: the baseline of that name, or fine-tuning of the model of that name."""
        return row if row in baselines() else fine_tuning(self.tasks[task].kind)

    def method_files(self, task: str, row: str) -> dict[str, list[str]]:
        """Return what the method of a row is made from: a model's folder, or motif matrices."""
        files = {"model": self.model_files, "jaspar": lambda _: [f"{self.jaspar}.txt"]}
        return {name: files[name](row) for name in METHODS[self.method_of(task, row)].needs}

    def fit_part_inputs(self, wildcards: Any) -> dict[str, list[str]]:
        """Return what a method is fitted from: the data set's splits and card, its own files, bases of places."""
        data = self.stage(f"tasks/{wildcards.task}/{wildcards.dataset}", *TASK_FILES)
        task, settings = self.tasks[wildcards.task], self.sets[wildcards.task][wildcards.dataset]
        bases = {"genome": self.genome} if task.places else {}
        again = self.files_read_again(wildcards) | (task.indexes(settings) if task.read_again else {})
        own = {name: [path] for name, path in again.items()}
        return {"data": data} | bases | own | self.method_files(wildcards.task, wildcards.method)

    def files_read_again(self, wildcards: Any) -> dict[str, str]:
        """Return those of a data set's files that its methods read too."""
        task, settings = self.tasks[wildcards.task], self.sets[wildcards.task][wildcards.dataset]
        return {name: path for name, path in task.files(settings).items() if name in task.read_again}

    def fit_inputs(self, wildcards: Any) -> dict[str, list[str]]:
        """Return the same with the test sets of other data sets."""
        tests = [f"{folder}/test.parquet" for folder in self.transfer_folders(wildcards).values()]
        return self.fit_part_inputs(wildcards) | {"transfer": tests}

    def fit_job(self, wildcards: Any) -> dict[str, Any]:
        """Return what :class:`genebert.methods.run.FitJob` needs to know."""
        return self._fit_job(wildcards) | {"transfer": self.transfer_folders(wildcards)}

    def fit_part_job(self, wildcards: Any) -> dict[str, Any]:
        """Return the same for the points of a learning curve."""
        curve = self.curves[f"{wildcards.task}/{wildcards.dataset}"]
        job = self._fit_job(wildcards)
        if "model" in job["files"]:
            job["options"] = lay_over(job["options"], curve["finetune"])
        return job | {"sizes": curve["sizes"]}

    def _fit_job(self, wildcards: Any) -> dict[str, Any]:
        task, name = wildcards.task, wildcards.method
        firsts = {key: Path(paths[0]) for key, paths in self.method_files(task, name).items()}
        files = {key: str(first.parent if key == "model" else first) for key, first in firsts.items()}
        files |= {"genome": self.genome[0]} if self.tasks[task].places else {}
        files |= self.files_read_again(wildcards)
        options = {"release": self.config["motifs"]["release"]} if "jaspar" in files else {}
        options |= self.config["methods"].get(name, {})
        return {
            "task": task,
            "dataset": wildcards.dataset,
            "name": name,
            "method": self.method_of(task, name),
            "options": self.models.finetune_settings(task, name) if "model" in files else options,
            "files": files,
            "data": f"{self.results}/tasks/{task}/{wildcards.dataset}",
            "seeds": self.seeds,
        }

    def fit_gpu(self, wildcards: Any, rule: str = "fit") -> int:
        """Return the GPUs of a fit: none for what is no network."""
        method = self.method_of(wildcards.task, wildcards.method)
        return self.resources.of(rule)["gpu"] if METHODS[method].gpu else 0

    def fit_group(self, wildcards: Any) -> str:
        """Return with which fits one may share a job: networks, which want a GPU, or all others."""
        return "networks" if METHODS[self.method_of(wildcards.task, wildcards.method)].gpu else "baselines"

    def kept_classifiers(self, folder: str) -> dict[str, str]:
        """Return the folder of kept classifiers as an output, if they are kept."""
        kept = f"{self.results}/classifiers/{folder}{{task}}/{{dataset}}/{{method}}"
        return {"classifiers": kept} if self.config["finetune"]["keep_classifiers"] else {}

    # ---------------------------------------------------------------------------------------------- tables and figures

    def table_scores(self, wildcards: Any) -> list[str]:
        """Return the score files that a table is rendered from; an InputError where the run has no data set for it."""
        rows, files = self.rows[wildcards.table], []
        if not rows:
            asked = expanded(self.config["tables"][wildcards.table], self.sets)
            why = "".join(f"; {name}: {self.absent[name]}" for name in asked if name in self.absent)
            raise InputError(f"{wildcards.table}: tables and tasks have no data set for it; expected some{why}")
        for name, methods in self.table_rows(wildcards).items():
            for method, fits in methods.items():
                absent = self.reason_of_absence(name, method)
                seeds = ["unavailable"] if absent else [f"seed{seed}" for seed in self.seeds]
                files += [
                    path
                    for fitted in fits
                    for path in self.stage(f"scores/{name}/{fitted}", *(f"{seed}.json" for seed in seeds))
                ]
        return list(dict.fromkeys(files))

    def paper_file(self, wildcards: Any) -> str:
        """Return the file of the paper's values for a table, or its extended form."""
        return str(self.folder / f"paper/{wildcards.table.removesuffix(EXTENDED)}.tsv")

    def table_rows(self, wildcards: Any) -> dict[str, dict[str, list[str]]]:
        """Return the rows of a table, each with the names of its fits: equal models are fitted once.

        There is one for each seed of pre-training.
        """
        own = self.rows[wildcards.table]
        return {data_set: {row: self._fitted(data_set, row) for row in rows} for data_set, rows in own.items()}

    def _fitted(self, data_set: str, row: str) -> list[str]:
        """Return the names of a row's fits on a data set (task/data set)."""
        able = row in self.models.names and not self.reason_of_absence(data_set, row)
        return self.models.fits_of(data_set.partition("/")[0], row) if able else [row]

    def tables(self, *, extended: bool = False) -> list[str]:
        """Return the tables that the run has a data set for: the paper's, or their extended forms."""
        return [table for table, rows in self.rows.items() if rows and number_of(table)[1] == extended]

    def ablations(self) -> list[str]:
        """Return the tables of ablations that the run has."""
        return [table for table in self.tables() if number_of(table)[0] in ABLATIONS]

    def files_of(self, tables: list[str], target: str) -> list[str]:
        """Return the files of several tables; an InputError where the run has none of them."""
        if not tables:
            raise InputError(f"{target}: tables and tasks have no data set for any of its tables; expected some")
        return [path for table in tables for path in self.table_files(table)]

    def table_files(self, table: str) -> list[str]:
        """Return a table in all its forms; beside Table 6 the matrix of its cells, extended where its sets have one."""
        names = [f"{table}.{suffix}" for suffix in FORMATS]
        places = (one.partition("/")[::2] for one in self.rows[table])
        asked = any(self.sets[task][name].get("transfer") for task, name in places)
        if table == TRANSFER_TABLE or (table == TRANSFER_TABLE + EXTENDED and asked):
            names.append(f"{table}_transfer.csv")
        return self.stage("tables", *names)

    def figure2_models(self) -> dict[str, str]:
        """Return the models of Figure 2, panel to name; none where the run goes without, or cannot have one of them."""
        return self.models.of_figure2()

    def figure2_files(self) -> list[str]:
        """Return Figure 2 in all its forms, its points and its numbers; none where the run goes without."""
        suffixes = ("svg", "png", "csv", "json") if self.figure2_models() else ()
        return self.stage("figures", *(f"figure2.{suffix}" for suffix in suffixes))
