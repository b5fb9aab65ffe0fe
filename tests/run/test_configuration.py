import copy
import json
import re
from collections import defaultdict
from functools import reduce
from itertools import chain, zip_longest
from operator import getitem

import pytest
from config_inputs import CONFIG, MODELS, ROOT, nested, problems
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from genebert.cli.config import config_file, reference_page
from genebert.errors import InputError
from genebert.run.checks import checked
from genebert.run.config import config_class
from genebert.settings.fields import hints
from genebert.settings.load import load_yaml, merge
from genebert.settings.reference import to_schema
from genebert.settings.resources import Resources
from genebert.settings.sentences import suggest

FILES = [path for folder in ("config", "config/examples") for path in sorted((ROOT / folder).glob("*.yaml"))]
OVERLAYS = [path for path in FILES if path.name not in ("config.yaml", "models.yaml")]
# Blocks whose keys are not the project's.
FREE_NAMES = (
    ("accessibility", "beds"), ("learning_curves",), ("model", "region_encoder", "arguments"), ("tasks", "promoter"),
    ("tasks", "disease"),
    ("simulate", "chromosomes"), ("cohort", "sites"), *(("tables", table) for table in CONFIG["tables"]),
)  # fmt: skip


def leaves(config: dict, path: tuple = ()) -> list[tuple]:
    """Return the paths of all keys of a config, blocks included."""
    found = []
    for key, value in config.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += leaves(value, (*path, key))
    return found


# ------------------------------------------------------------------------------------------------- the project's files


def test_the_paper_config_is_valid():
    assert problems({}) == []


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_the_overlays_are_valid(path):
    """Those that are laid over fetal-brain.yaml, with it."""
    below = load_yaml(path.with_name("fetal-brain.yaml")) if path.stem.startswith("fetal-brain-") else {}
    assert problems(merge(below, load_yaml(path))) == []


def test_the_real_snakemake_merges_as_merge_does():
    utils = pytest.importorskip("snakemake.utils")
    overlay = {"model": {"k": 3, "losses": {"srm": None}}, "mirror": {"a": 1}, "tasks": 3, "new": {"x": [1]}}
    expected = copy.deepcopy(CONFIG)
    utils.update_config(expected, copy.deepcopy(overlay))
    assert merge(CONFIG, overlay) == expected


def test_the_file_is_written_from_the_classes():
    """`genebert config > config/config.yaml` keeps it so."""
    assert (ROOT / "config" / "config.yaml").read_text() == config_file()


def test_the_reference_page_is_written_from_the_classes():
    """`genebert config --reference > docs/configuration.md` keeps it so."""
    assert (ROOT / "docs" / "configuration.md").read_text() == reference_page()


def test_what_stands_below_in_the_reference_page_stands_there():
    sections = re.split(r"^## (.+)$", reference_page(), flags=re.MULTILINE)[1:]
    titles = {name for title in sections[::2] for name in title.split(", ")}
    below = set()
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        above = "" if title == "The top" else f"{title}."
        below |= {
            f"{above}{name}" for name in re.findall(r"^\| `([^`]+)` \| .* \| below \| ", text, flags=re.MULTILINE)
        }
    assert {"resources", "finetune.default", "model.losses"} <= below
    assert {name for name in below if not {name, f"{name}.NAME"} & titles} == set()


def test_the_schema_accepts_the_config_and_refuses_what_the_check_refuses():
    """Checked with an independent implementation; rules across keys are not in it."""
    validate = Draft202012Validator(json.loads(json.dumps(to_schema(config_class())))).is_valid
    assert validate(CONFIG)
    assert validate(merge(CONFIG, {"accessibility": {"beds": {"gone": None}}}))
    for overlay in OVERLAYS:
        assert validate(merge(CONFIG, load_yaml(overlay))), overlay
    for path, value in (
        ("model.k", 7),
        ("sead", 1),
        ("motifs.p_value", "1e-4"),
        ("models.mgm.losses.mgn", 1),
        ("motifs.background", [0.5, 0.5]),
        ("finetune.seeds", []),
        ("model.losses.srm", "clip"),
    ):
        assert not validate(merge(CONFIG, nested(path, value))), path


def test_resources_have_a_key_for_each_rule():
    files = [path for path in (ROOT / "rules").glob("*.smk") if path.stem != "targets"]
    rules = "".join(path.read_text() for path in files)
    with_script = re.findall(r"^(?:use rule \w+ as|rule) (\w+)", rules, flags=re.MULTILINE)
    assert set(with_script) == set(hints(Resources)) - {"default"}


def test_every_key_may_be_left_out():
    """It has its default, blocks too; but for what sets and risk sites are made from, and for curves, which differ."""
    whole = checked(CONFIG, MODELS, ROOT / "config")
    depths = defaultdict(lambda: defaultdict(list))
    for path in leaves(CONFIG):
        named = path[0] in ("resources", "learning_curves") or (path[:2] == ("cohort", "sites") and len(path) > 2)
        named |= any("prom-core" in part or "HSCR-RET" in part for part in path)
        if path[:-1] in FREE_NAMES or named:
            continue
        depth = len(path) if isinstance(reduce(getitem, path, CONFIG), dict) else 0
        depths[depth][path[:-1]].append(path)
    # One key of each block at a time, a check takes 0.06 s; blocks of one depth, which do not hold each other.
    for left_out in chain.from_iterable(zip_longest(*blocks.values()) for blocks in depths.values()):
        config = copy.deepcopy(CONFIG)
        for *block, key in filter(None, left_out):
            del reduce(getitem, block, config)[key]
        assert checked(config, MODELS, ROOT / "config") == whole, left_out
    assert checked({}, MODELS, ROOT / "config") == whole


# ------------------------------------------------------------------------------------------------------ unknown keys

KNOWN = [path for path in leaves(CONFIG) if path[:-1] not in FREE_NAMES]


@st.composite
def misspellings(draw):
    """A known key, and a name that differs from it by one letter left out, put in, replaced or swapped."""
    path = draw(st.sampled_from(KNOWN))
    key, letter = path[-1], draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_"))
    i = draw(st.integers(0, len(key) - 1))
    wrong = draw(
        st.sampled_from(
            [
                key[:i] + key[i + 1 :],
                key[:i] + letter + key[i:],
                key[:i] + letter + key[i + 1 :],
                key[:i] + key[i + 1 : i + 2] + key[i] + key[i + 2 :],
            ]
        )
    )
    return path, wrong


@given(misspellings())
def test_a_misspelt_key_is_reported_with_the_right_one(misspelling):
    path, wrong = misspelling
    config = merge(CONFIG, {})
    block = config
    for key in path[:-1]:
        block = block[key]
    assume(wrong and wrong not in block and wrong != "models")
    block[wrong] = block.pop(path[-1])
    try:
        checked(config, MODELS, ROOT / "config")
    except InputError as error:
        lines = str(error).splitlines()
    prefix = ".".join([*path[:-1], ""])
    (line,) = [line for line in lines if line.startswith(f"config: unknown key {prefix}{wrong}; did you mean ")]
    meant = line.partition("; did you mean ")[2].rstrip("?").split(" or ")
    assert prefix + path[-1] in meant


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        ("accessibility.binarize", "unknown key accessibility.binarize; did you mean accessibility.binarise?"),
        ("min_cells", "unknown key min_cells; did you mean accessibility.min_cells?"),
        ("model.steps", "unknown key model.steps; did you mean model.training.steps?"),
        (
            "accessibility.chromosomes",
            "unknown key accessibility.chromosomes; did you mean chromosomes or simulate.chromosomes?",
        ),
        ("genome.fasta_file", "unknown key genome.fasta_file; did you mean genome.fasta?"),
        ("genome.zzz", "unknown key genome.zzz; expected one of build, fasta"),
        ("resources.pretrian", "unknown key resources.pretrian; did you mean resources.pretrain?"),
        ("models.mgm.losses.mgn", "unknown key models.mgm.losses.mgn; did you mean models.mgm.losses.mgm?"),
        ("models.mgm.steps", "unknown key models.mgm.steps; did you mean models.mgm.training.steps?"),
    ],
)
def test_unknown_keys(overlay, line):
    assert problems(nested(overlay, 1)) == [f"config: {line}"]


def test_a_wrong_key_in_models_yaml():
    assert problems({}, MODELS | {"mgm": {"trainin": {}}}) == [
        "models.yaml: unknown key models.mgm.trainin; did you mean models.mgm.training?"
    ]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"foo": None}, "models.yaml: models.foo: found null, expected a block of keys"),
        ({"foo": [1]}, "models.yaml: models.foo: found [1], expected a block of keys"),
        ({"foo": {"pretrain_seeds": 43}}, "models.yaml: models.foo.pretrain_seeds: found 43, expected a list"),
        ({5: {}}, "models.yaml: a key below models is named 5, expected a name of letters, digits"),
    ],
)
def test_wrong_entries_of_models_yaml(entry, sentence):
    (line,) = problems({}, MODELS | entry)
    assert line.startswith(sentence)


def test_ties_are_all_named():
    assert suggest("mrm", ["mgm", "ngsp", "srm"]) == "did you mean mgm or srm?"
    assert suggest("lerning_rat", ["epochs", "learning_rate"]) == "did you mean learning_rate?"
    assert suggest("q", ["mgm", "ngsp"]) == "expected one of mgm, ngsp"
    many = [f"set{number}" for number in range(500)] + ["cell-a", "cell-b"]
    assert suggest("a-long-celery-stalk", many).startswith("expected one of 502 names, of which the nearest are cell-")


# --------------------------------------------------------------------------------------------- types, values, ranges

NOTATION = " as text: the number needs a point and a sign, such as 3.0e-5 or 1.0e+3)"


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("run", "a/b", "found 'a/b', expected a name of letters, digits, '.', '_' and '-' that starts with"),
        ("run", "", "found '', expected a name of letters"),
        ("run", "..", "found '..', expected a name of letters"),
        ("run", 2024, "(it becomes a folder) (put it in quotes)"),
        ("scale", "", "found '', expected text that is not empty"),
        ("scale", None, "found null, expected text that is not empty"),
        ("seed", -1, "found -1, expected a whole number of at least 0 and at most 4294967295"),
        ("seed", 1.0, "found 1.0, expected a whole number of at least 0 and at most 4294967295 (write 1)"),
        ("seed", True, "found true, expected a whole number of at least 0 and at most 4294967295 (YAML reads yes, no"),
        ("seed", "42", "found '42', expected a whole number of at least 0 and at most 4294967295 (without quotes)"),
        ("mirror", "", "found '', expected a folder, a URL or null"),
        ("chromosomes", [], "found [], expected a list with at least one entry"),
        ("chromosomes", "chr20", "found 'chr20', expected a list with at least one entry"),
        ("genome", "hg19.fa", "found 'hg19.fa', expected a block of keys"),
        ("genome", {"build": None}, "build: found null, expected text that is not empty"),
        ("genome.fasta", None, "found null, expected a path"),
        ("simulate.n_regions", 0, "found 0, expected a whole number of at least 1"),
        ("simulate.tata", 1.5, "found 1.5, expected a number of at least 0 and at most 1"),
        ("accessibility.format", "rds", "found 'rds', expected one of mtx, dgcmatrix, seurat, h5ad, bed"),
        ("accessibility.peaks", ["a"], 'found ["a"], expected a path or null'),
        ("accessibility.beds", {"ExN": 3}, "beds.ExN: found 3, expected a path (put it in quotes)"),
        ("accessibility.min_fraction", 0, "found 0, expected a number above 0 and at most 1 or null"),
        ("accessibility.max_n_fraction", float("nan"), "found nan, expected a number of at least 0 and at most 1"),
        ("motifs.release", "2018", "found '2018', expected one of JASPAR2014, JASPAR2016, JASPAR2018, "),
        ("motifs.p_value", "1e-4", f"expected a number above 0 and below 1 (YAML reads 1e-4{NOTATION}"),
        ("motifs.p_value", 0, "found 0, expected a number above 0 and below 1"),
        ("motifs.background", "region", "found 'region', expected regions, or four frequencies of A, C, G, T above 0"),
        ("motifs.background", [0.5, 0.5, 0, 0], "expected regions, or four frequencies of A, C, G, T above 0"),
        ("motifs.background", [0.5, 0.5], "expected regions, or four frequencies of A, C, G, T above 0"),
        ("corpus.regions_per_sample", 9, "found 9, expected an even number of at least 2"),
        ("corpus.regions_per_sample", 0, "found 0, expected an even number of at least 2"),
        ("corpus.region_bp", 0, "found 0, expected a whole number of at least 1 or null"),
        ("model.k", 7, "found 7, expected a whole number of at least 3 and at most 6"),
        (
            "model.losses.srm",
            "clip",
            "found 'clip', expected one of infonce, paper_exp, paper_literal, regression, null",
        ),
        (
            "model.losses.srm",
            False,
            "expected one of infonce, paper_exp, paper_literal, regression, null (YAML reads yes, no",
        ),
        ("model.losses.mgm", "yes", "found 'yes', expected true or false"),
        ("model.training.steps", 1.2e5, "found 120000.0, expected a whole number of at least 0 (write 120000)"),
        ("model.training.learning_rate", "4e-4", f"expected a number above 0 (YAML reads 4e-4{NOTATION}"),
        ("model.training.learning_rate", float("inf"), "found inf, expected a number above 0"),
        ("model.training.betas", [0.9], "found [0.9], expected a list of 2"),
        ("model.training.betas", [0.9, 1.0], "betas[1]: found 1.0, expected a number of at least 0 and below 1"),
        ("model.training.decay_horizon", 0.5, "found 0.5, expected a number of at least 1"),
        ("model.region_encoder.name", "swin-t", "found 'swin-t', expected one of vit-b-384, vit-l-384, t2t-vit-14, "),
        ("model.region_encoder.weights", "", "found '', expected imagenet, hub, a path or null"),
        ("finetune.seeds", [0, 1, 0], "found 0 twice, expected no repeats"),
        ("finetune.seeds", [], "found [], expected a list with at least one entry"),
        ("tasks.tfbs.data_sets", 9, "found 9, expected table2, all_506 or a list of names of config/tfbs.tsv"),
        ("tasks.tfbs.data_sets", ["A", "A"], "found 'A' twice, expected no repeats"),
        ("tasks.tfbs.data_sets", [9], "data_sets[0]: found 9, expected a name of config/tfbs.tsv (put it in quotes)"),
        ("tasks.tfbs.own.mine", {"peaks": "p", "factor": ""}, "factor: found '', expected the name of a factor"),
        ("tasks.tfbs.length", 10, "found 10, expected a whole number of at least 20"),
        ("tasks.tfbs.negatives", "random", "found 'random', expected one of shuffle, genomic"),
        ("tasks.tfbs.split", "random", "found 'random', expected one of ranks, chromosome"),
        ("tasks.promoter.prom-core.split", "ranks", "found 'ranks', expected one of random, chromosome"),
        ("tasks.tfbs.valid_fraction", 0, "found 0, expected a number above 0 and below 1"),
        ("tasks.tfbs.test_chromosomes", ["chr 1"], "found 'chr 1', expected a chromosome such as chr20 or 20"),
        ("tasks.tfbs.transfer", None, "found null, expected table6, all or a list of data sets"),
        ("finetune.tfbs.pooling", "first", "found 'first', expected one of mean, cls, max"),
        ("finetune.tfbs.strands", "random", "found 'random', expected one of given, both"),
        ("model.training.strands", "both", "found 'both', expected one of given, random"),
        (
            "finetune.tfbs.grid",
            {"learning_rate": []},
            "grid.learning_rate: found [], expected a list with at least one",
        ),
        ("models.mine", {"finetune": {"epochs": 0}}, "finetune.epochs: found 0, expected a whole number of at least 1"),
        ("models.mine", {"of": "a b"}, "of: found 'a b', expected a name of letters"),
        ("learning_curves.promoter/prom-core.sizes", [50], "found [50], expected at least two numbers of examples"),
        (
            "learning_curves.promoter/prom-core.sizes",
            [1, 5],
            "sizes[0]: found 1, expected a whole number of at least 2",
        ),
        ("learning_curves.promoter/prom-core.models", [], "found [], expected a list with at least one entry"),
        ("unavailable", {"dnabert": ""}, "unavailable.dnabert: found '', expected the reason"),
        ("unavailable", ["dnabert"], 'found ["dnabert"], expected a block of keys'),
        ("tables.table1", {"promoter/prom-core": []}, "found [], expected a list with at least one entry"),
        ("tables.table1", {"promoter/prom-core": ["dnabert", "dnabert"]}, "found 'dnabert' twice, expected no repeats"),
        ("resources.motifs.threads", 0, "found 0, expected a whole number of at least 1"),
        ("models", None, "models: found null, expected a block of keys"),
    ],
)
def test_values(path, value, sentence):
    (line,) = problems(nested(path, value))
    assert line.startswith(f"config: {path}")
    assert sentence in line


@pytest.mark.parametrize("name", ["a b", "", "../x", ".hidden", "x{y}"])
@pytest.mark.parametrize("where", ["models", "tasks.promoter", "tasks.tfbs.own"])
def test_names_that_become_folders(where, name):
    value = CONFIG["tasks"]["promoter"]["prom-core"] if where == "tasks.promoter" else {}
    value = {"peaks": "p.bed", "factor": "CTCF"} if where == "tasks.tfbs.own" else value
    (line,) = problems(nested(where, {name: value}))
    assert line.startswith(f"config: a key below {where} is named '{name}', expected a name of letters, digits")


def test_blocks_below_free_names():
    lines = problems({"tasks": {"tfbs": {"own": {"mine": {"peaks": "p", "cel": "A"}}}}})
    assert lines == [
        "config: unknown key tasks.tfbs.own.mine.cel; did you mean tasks.tfbs.own.mine.cell?",
        "config: missing key tasks.tfbs.own.mine.factor; expected the name of a factor",
    ]


def test_all_problems_are_listed_at_once():
    lines = problems(
        {"sead": 1, "genome": {"fasta": 3}, "accessibility": {"format": "bed"}, "corpus": {"regions_per_sample": 3}},
        MODELS | {"mgm": {"kk": 3}},
    )
    assert [line.split()[1].rstrip(":") for line in lines] == [
        "unknown",
        "genome.fasta",
        "accessibility.beds",
        "corpus.regions_per_sample",
        "unknown",
    ]
