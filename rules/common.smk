"""Paths and look-ups; no science, nothing heavy: every cluster job parses this again."""

CANONICAL = configuration.canonical_models(config, MODELS)
BASELINES = configuration.BASELINES
SEQUENCES = [f"{RESULTS}/sequences/{name}" for name in ("regions.npy", "offsets.npy", "regions.json")]
MOTIFS = [f"{RESULTS}/motifs/{name}" for name in ("matrix.npy", "motifs.tsv", "motifs.json")]
GENOME = [f"{RESULTS}/genome/{name}" for name in ("genome.fa", "genome.fa.fai", "genome.json")]
JASPAR = f"resources/jaspar/{config['motifs']['release']}.{config['motifs']['order']}"
MATRIX_KEYS = configuration.FORMAT_KEYS[config["accessibility"]["format"]]
TABLE_FORMATS = ("csv", "md", "html", "tex")


wildcard_constraints:
    model="|".join(CANONICAL),
    baseline="|".join(BASELINES),
    task="[a-z]+",
    seed=r"\d+",


def settings_of(stage):
    """Resources of a stage: the defaults, overlaid by the stage's own."""
    return config["resources"]["default"] | config["resources"].get(stage, {})


def growing(stage, key):
    """A resource that grows with the attempt, so that a retry after an out-of-memory or time-out kill can succeed."""

    def resource(wildcards, attempt):
        return settings_of(stage)[key] * attempt

    return resource


def layout_of_processes(stage):
    """How many processes on how many nodes; with several nodes SLURM starts one task on each, and that `torchrun`."""
    nodes, processes = settings_of(stage)["nodes"], settings_of(stage)["processes"]
    return {"processes": processes} | ({"mpi": "srun", "nodes": nodes, "tasks": nodes} if nodes > 1 else {})


def existing(*paths):
    """The paths that are set: config keys may be null."""
    return [path for path in paths if path]


def retrieved_file(source):
    """What shows that a file of the registry is there: itself, or the check of a file placed by hand."""
    return f"resources/{source.name}" if source.access == "open" else f"resources/placed/{source.name}.json"


def placed_file(wildcards):
    """A file placed by hand, once it is there; the rule explains where to get it before."""
    path = Path(f"resources/{wildcards.source}")
    return [str(path)] if path.exists() else []


def weight_files(folder):
    """The files of a Hugging Face folder that initial weights are read from."""
    return [f"{folder}/{name}" for name in ("config.json", "vocab.txt", "pytorch_model.bin")] if folder else []


def model_files(name):
    """What a trained model is known by; two names with equal settings share one folder."""
    folder = f"{RESULTS}/models/{CANONICAL[name]}"
    return [f"{folder}/{file}" for file in ("config.json", "model.safetensors", "vocab.txt", "model.json")]


def task_files(task, dataset):
    """The labelled splits of a data set."""
    return [f"{RESULTS}/tasks/{task}/{dataset}/{split}.parquet" for split in ("train", "valid", "test")]


def score_files(table):
    """The score files that a table is rendered from."""
    return [
        f"{RESULTS}/scores/{dataset}/{model}/seed{seed}.json"
        for dataset, models in config["tables"][table].items()
        for model in models
        for seed in config["finetune"]["seeds"]
    ]


def curve_files():
    """The training curves of all models that tables show and that are trained."""
    shown = {CANONICAL[name] for name in configuration.table_models(config, MODELS)}
    return [
        f"{RESULTS}/figures/pretrain/{name}.{suffix}"
        for name in sorted(shown)
        if configuration.is_trained(configuration.resolve_model(config, MODELS, name))
        for suffix in ("svg", "png")
    ]


def table_files(table):
    """A table in all its formats."""
    return [f"{RESULTS}/tables/{table}.{suffix}" for suffix in TABLE_FORMATS]


def matrix_file(key):
    """A file of the matrix, if its format needs it."""
    return existing(config["accessibility"][key]) if key in MATRIX_KEYS else []


def model_settings(wildcards):
    """The full settings of a model: `model:` of the config with the changes of its entry."""
    return configuration.resolve_model(config, MODELS, wildcards.model)


def initial_weights(wildcards):
    """Files of initial weights that a model's settings name."""
    model = model_settings(wildcards)
    files = weight_files(model["sequence_encoder"]["weights"])
    if model["losses"]["srm"]:
        weights = model["region_encoder"]["weights"]
        files += existing(None if weights == configuration.HUB else weights)
    return files


def promoter_settings(wildcards):
    """The config of one promoter data set."""
    return config["tasks"]["promoter"][wildcards.dataset]


def promoter_inputs(wildcards):
    """The annotation, and the genome where sequences are cut from it."""
    settings = promoter_settings(wildcards)
    cut = settings["source"] == "epdnew"
    return {
        "annotation": settings["path"],
        "motifs": existing(settings["motifs"]) if cut else [],
        "genome": GENOME if cut else [],
    }


def trained_model(wildcards):
    """The folder of the model to start from."""
    return model_files(wildcards.model)


def labelled_splits(wildcards):
    """Train, validation and test examples."""
    return task_files(wildcards.task, wildcards.dataset)


def finetune_settings(wildcards):
    """Fine-tuning settings of the task."""
    return config["finetune"][wildcards.task]


def table_scores(wildcards):
    """All score files of a table."""
    return score_files(f"table{wildcards.number}")


def table_rows(wildcards):
    """Data sets and models of a table, in the order of its rows."""
    return config["tables"][f"table{wildcards.number}"]


def task_annotation(task, settings):
    """Name to file of what a data set is made from, beside the genome."""
    keys = {"promoter": ("path", "motifs") if settings["source"] == "epdnew" else ("path",)}[task]
    return {key: settings[key] for key in keys if settings[key]}


def raw_files():
    """Name to file of all that a run's pre-training data and data sets are made from."""
    settings = config["accessibility"]
    keys = ("matrix", "peaks", "cells", "blacklist")
    files = {key: settings[key] for key in keys if settings[key] and (key in MATRIX_KEYS or key == "blacklist")}
    files |= {f"peaks of {name}": path for name, path in settings["beds"].items() if "beds" in MATRIX_KEYS}
    files |= {"genome": config["genome"]["fasta"], "motifs": f"{JASPAR}.txt"}
    for task, sets in config["tasks"].items():
        for name, data_set in sets.items():
            files |= {f"{task}/{name}, {key}": path for key, path in task_annotation(task, data_set).items()}
    return files


def data_set_names():
    """The configured downstream data sets, as task/data set."""
    return [f"{task}/{name}" for task, sets in config["tasks"].items() for name in sets]
