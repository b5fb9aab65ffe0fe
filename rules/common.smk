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


def existing(*paths):
    """The paths that are set: config keys may be null."""
    return [path for path in paths if path]


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
        files += existing(model["region_encoder"]["weights"])
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
