"""Paths and look-ups; no science, nothing heavy: every cluster job parses this again."""

CANONICAL = configuration.canonical_models(config, MODELS)
BASELINES = configuration.BASELINES
SEQUENCES = [f"{RESULTS}/sequences/{name}" for name in ("regions.npy", "offsets.npy", "regions.json")]
MOTIFS = [f"{RESULTS}/motifs/{name}" for name in ("matrix.npy", "motifs.tsv", "motifs.json")]
GENOME = [f"{RESULTS}/genome/{name}" for name in ("genome.fa", "genome.fa.fai", "genome.json")]
JASPAR = f"resources/jaspar/{config['motifs']['release']}.{config['motifs']['order']}"
MATRIX_KEYS = configuration.FORMAT_KEYS[config["accessibility"]["format"]]
TABLE_FORMATS = ("csv", "md", "html", "tex")
SPLITS = [f"{split}.parquet" for split in ("train", "valid", "test")]
TASK_FILES = [*SPLITS, "card.json"]


wildcard_constraints:
    model="|".join(CANONICAL),
    baseline="|".join(BASELINES),
    task="[a-z]+",
    dataset="[^/]+",
    seed=r"\d+",
    n=r"\d+",


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


def task_folder(task, dataset):
    """The folder of a data set."""
    return f"{RESULTS}/tasks/{task}/{dataset}"


def task_files(task, dataset):
    """The labelled splits of a data set."""
    return [f"{task_folder(task, dataset)}/{file}" for file in SPLITS]


def score_files(table):
    """The score files that a table is rendered from."""
    if not ROWS.get(table):
        raise WorkflowError(f"{table}: config tables and tasks have no data set for it; expected at least one")
    files = []
    for dataset, models in ROWS[table].items():
        for model in models:
            folder = f"{RESULTS}/scores/{dataset}/{model}"
            if reason_of_absence(dataset, model):
                files.append(f"{folder}/unavailable.json")
            else:
                files += [f"{folder}/seed{seed}.json" for seed in config["finetune"]["seeds"]]
    return files


def reason_of_absence(dataset, model):
    """Why a data set or model cannot be had, as the config says; None for one that can."""
    reasons = config["unavailable"]
    origin = configuration.model_entry(config, MODELS, model).get("of")
    return next((reasons[name] for name in (model, origin, dataset) if name in reasons), None)


def learning_curve_scores(wildcards):
    """The score files of a learning curve."""
    name = f"{wildcards.task}/{wildcards.dataset}"
    curve = config["learning_curves"][name]
    return [
        f"{RESULTS}/learning_curves/{name}/{model}/n{size}_seed{seed}.json"
        for model in curve["models"]
        if not reason_of_absence(name, model)
        for size in curve["sizes"]
        for seed in config["finetune"]["seeds"]
    ]


def learning_curve_files():
    """The figures of all learning curves with a model and a data set that can be had."""
    return [
        f"{RESULTS}/figures/learning_curves/{name}.{suffix}"
        for name, curve in config["learning_curves"].items()
        if not all(reason_of_absence(name, model) for model in curve["models"])
        for suffix in ("svg", "png", "csv")
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
    """A table in all its formats; Table 6 has its cells' matrix beside it."""
    more = [f"{RESULTS}/tables/table6_transfer.csv"] if table == "table6" else []
    return [f"{RESULTS}/tables/{table}.{suffix}" for suffix in TABLE_FORMATS] + more


def matrix_file(key):
    """A file of the matrix, if its format needs it."""
    return existing(config["accessibility"][key]) if key in MATRIX_KEYS else []


def model_settings(wildcards):
    """The full settings of a model: `model:` of the config with the changes of its entry."""
    model = configuration.resolve_model(config, MODELS, wildcards.model)
    if origin := configuration.starts_from(model):
        model["sequence_encoder"]["weights"] = f"{RESULTS}/models/{CANONICAL[origin]}"
    return model


def initial_weights(wildcards):
    """Files of initial weights that a model's settings name."""
    model = configuration.resolve_model(config, MODELS, wildcards.model)
    origin = configuration.starts_from(model)
    files = model_files(origin) if origin else weight_files(model["sequence_encoder"]["weights"])
    if model["losses"]["srm"]:
        weights = model["region_encoder"]["weights"]
        files += existing(None if weights == HUB else weights)
    return files


def promoter_settings(wildcards):
    """The config of one promoter data set."""
    return DATA_SETS["promoter"][wildcards.dataset]


def tfbs_settings(wildcards):
    """The config of one TFBS data set, without what only its tests use."""
    return {key: value for key, value in DATA_SETS["tfbs"][wildcards.dataset].items() if key != "transfer"}


def tfbs_peaks(wildcards):
    """The peak file of a TFBS data set."""
    return tfbs_settings(wildcards)["peaks"]


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
    """Train, validation and test examples, and the card of the data set."""
    return [f"{task_folder(wildcards.task, wildcards.dataset)}/{file}" for file in TASK_FILES]


def transfer_folders(wildcards):
    """Name to folder of the other data sets that a model trained on this one is tested on."""
    others = DATA_SETS[wildcards.task][wildcards.dataset].get("transfer", [])
    able = [name for name in others if f"{wildcards.task}/{name}" not in config["unavailable"]]
    return {name: task_folder(wildcards.task, name) for name in able}


def transfer_tests(wildcards):
    """Their test examples."""
    return [f"{folder}/test.parquet" for folder in transfer_folders(wildcards).values()]


def finetune_settings(wildcards):
    """Fine-tuning settings of the task, under those of the model's entry."""
    return data_sets.finetune_settings(config, MODELS, wildcards.task, wildcards.model)


def finetune_part_settings(wildcards):
    """The same, under those of the learning curve."""
    curve = config["learning_curves"][f"{wildcards.task}/{wildcards.dataset}"]
    return data_sets.lay_over_finetune(finetune_settings(wildcards), curve["finetune"])


def n_train(wildcards):
    """Number of training examples of a point of a learning curve."""
    return int(wildcards.n)


def baseline_motifs(wildcards):
    """The motif matrices, for the baseline that scores them."""
    return f"{JASPAR}.txt" if wildcards.baseline in data_sets.NEED_FACTOR else []


def absence(wildcards):
    """Why a data set or model cannot be had."""
    return reason_of_absence(f"{wildcards.task}/{wildcards.dataset}", wildcards.method)


def table_scores(wildcards):
    """All score files of a table."""
    return score_files(f"table{wildcards.number}")


def table_rows(wildcards):
    """Data sets and models of a table, in the order of its rows."""
    return ROWS[f"table{wildcards.number}"]


def raw_files():
    """Name to file of all that a run's pre-training data and data sets are made from."""
    settings = config["accessibility"]
    keys = ("matrix", "peaks", "cells", "blacklist")
    files = {key: settings[key] for key in keys if settings[key] and (key in MATRIX_KEYS or key == "blacklist")}
    files |= {f"peaks of {name}": path for name, path in settings["beds"].items() if "beds" in MATRIX_KEYS}
    files |= {"genome": config["genome"]["fasta"], "motifs": f"{JASPAR}.txt"}
    for name in data_set_names():
        task, _, data_set = name.partition("/")
        annotation = data_sets.raw_files(DATA_SETS[task][data_set])
        files |= {f"{name}, {key}": path for key, path in annotation.items()}
    return files


def data_set_names():
    """The configured downstream data sets that can be had, as task/data set."""
    names = [f"{task}/{name}" for task, sets in DATA_SETS.items() for name in sets]
    return [name for name in names if name not in config["unavailable"]]
