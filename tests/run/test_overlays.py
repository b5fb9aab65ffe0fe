"""What overlays and blocks of the command line do: entries removed by null, texts taken for what they mean."""

from typing import Any, get_args, get_origin

import pytest
from config_inputs import CONFIG, MODELS, ROOT, nested, problems, run_of

from genebert.errors import InputError
from genebert.run.checks import checked
from genebert.run.config import config_class
from genebert.run.learning_curves import learning_curve_files
from genebert.run.run import Run
from genebert.settings.fields import hints
from genebert.settings.load import from_text, merge, shared
from genebert.settings.rules import is_block, unwrapped


def mappings(hint, where=""):
    """Yield the dotted keys of all mappings of free names, those of values of any kind left out."""
    bare = unwrapped(hint)[0]
    if is_block(bare):
        for name, (inner, one) in hints(bare).items():
            if not one.metadata["internal"]:
                yield from mappings(inner, f"{where}.{name}".lstrip("."))
    elif get_origin(bare) is dict and get_args(bare)[1] is not Any:
        yield where
        yield from mappings(get_args(bare)[1], f"{where}.*")


REMOVABLE = {
    "simulate.chromosomes": 100_000,
    "cohort.sites": {"factor": "SOX10", "frequency": {"chinese": 0.3}, "odds_ratio": 2.0},
    "accessibility.beds": "a.bed", "models": {"of": "genebert"},
    "tasks.disease": {"vcf": "a.vcf.gz", "phenotypes": "a.tsv", "regions": "a.bed"},
    "tasks.splicing": {"table": "a.txt", "split": "gene"},
    "tasks.promoter": {"path": "a.bed"}, "tasks.tfbs.own": {"peaks": "a.bed", "factor": "CTCF"},
    "methods": {"epochs": 3}, "learning_curves": {}, "unavailable": "no data",
    **{f"tables.table{n}": ["cnn"] for n in (1, 2, 3, 4, 5, 6, 7, 8, *(f"{n}_extended" for n in (1, 5, 6, 8)))},
}  # fmt: skip


def test_all_mappings_are_among_those_that_entries_are_removed_from():
    assert {name for name in mappings(config_class()) if "*" not in name} == set(REMOVABLE)


@pytest.mark.parametrize("where", REMOVABLE)
def test_null_removes_an_entry_of_a_mapping(where):
    """An overlay can only add to the blocks below it; what was added comes off again."""
    name = {"learning_curves": "tfbs/gone", "unavailable": "genebert", "methods": "cnn"}.get(where, "gone")
    added = merge(CONFIG, nested(where, {name: REMOVABLE[where]}))
    again = merge(added, nested(where, {name: None}))
    assert checked(again, MODELS, ROOT / "config") == checked(CONFIG, MODELS, ROOT / "config")


def test_null_removes_a_default_with_its_rows():
    """No promoters: neither set, nor table, nor curve; null among values of any kind is kept."""
    name = {"promoter/prom-core": None}
    removed = {
        "tasks": {"promoter": {"prom-core": None, "prom-core-genomic": None}},
        "tables": {"table1": name, "table1_extended": {"promoter/prom-core-genomic": None}},
        "learning_curves": name | {"tfbs": None},
    }
    arguments = {"model": {"region_encoder": {"arguments": {"img_size": None}}}}
    run = run_of(merge(removed, arguments))
    assert not run.rows["table1"] and run.rows["table2"] and not learning_curve_files(run)
    assert all(name.startswith(("tfbs/", "disease/")) for name in run.data_set_names())
    assert run.config["model"]["region_encoder"]["arguments"] == {"img_size": None}
    assert any("unknown data set promoter/prom-core" in line for line in problems({"tasks": removed["tasks"]}))


def test_a_promoter_set_under_a_new_name_needs_its_path_only():
    made = run_of({"tasks": {"promoter": {"mine": {"path": "mine.bed"}}}}).sets["promoter"]["mine"]
    assert made == CONFIG["tasks"]["promoter"]["prom-core"] | {"path": "mine.bed", "motifs": None}


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("accessibility.min_cells", "7", 7),
        ("accessibility.max_n_fraction", "0.1", 0.1),
        ("accessibility.max_n_fraction", "1", 1),
        ("accessibility.blacklist", "null", None),
        ("accessibility.blacklist", "", None),
        ("accessibility.blacklist", "5", "5"),  # a path
        ("accessibility.beds", {"1": "2"}, {"1": "2"}),
        ("accessibility.format", "bed", "bed"),
        ("mirror", "null", None),
        ("scale", "7", "7"),
        ("chromosomes", ["20", "X"], ["20", "X"]),  # right as it is
        ("motifs.background", ["0.3", "0.2", "0.2", "0.3"], [0.3, 0.2, 0.2, 0.3]),
        ("motifs.p_value", "1e-4", "1e-4"),  # as in a file
        ("motifs.region_bp", "~", None),
        ("model.losses.mgm", "false", False),
        ("model.losses.srm", "null", None),
        ("model.losses.srm", "infonce", "infonce"),
        ("model.training.betas", ["0.9", "0.98"], [0.9, 0.98]),
        ("model.region_encoder.arguments", {"depths": ["1", "2"], "act": "gelu"}, {"depths": [1, 2], "act": "gelu"}),
        ("models.mine.training.steps", "5", 5),
        ("models.mine.finetune.frozen", "true", True),
        ("finetune.seeds", ["0", "1"], [0, 1]),
        ("finetune.tfbs.grid.learning_rate", ["1.0e-4", "0.001"], [1e-4, 0.001]),
        ("tasks.tfbs.data_sets", ["1"], ["1"]),
        ("tasks.tfbs.transfer", "all", "all"),
        ("learning_curves.promoter/prom-core.sizes", ["10", "20"], [10, 20]),
        ("resources.pretrain.gpu", "0", 0),
        ("seed", 7, 7),
        ("no.such.key", "7", 7),
    ],
)
def test_texts_of_a_block_on_the_command_line(path, text, value):
    """Snakemake hands over all that stands in a block of `--config` as text."""

    def below(name, item):
        return {name.partition(".")[0]: below(name.partition(".")[2], item) if "." in name else item}

    found = from_text(config_class(), below(path, text))
    assert found == below(path, value)
    while isinstance(found, dict) and isinstance(value, bool | int | float):
        (found,) = found.values()
    assert not isinstance(value, bool | int | float) or type(found) is type(value)


def test_the_run_takes_numbers_of_the_command_line():
    given = {"accessibility": {"min_cells": "7"}, "seed": 3}
    assert Run(merge(CONFIG, given), ROOT / "config", given=given).config["accessibility"]["min_cells"] == 7
    with pytest.raises(InputError, match=r"min_cells: found -7, expected a whole number of at least 1$"):
        given = {"accessibility": {"min_cells": "-7"}}
        Run(merge(CONFIG, given), ROOT / "config", given=given)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"seed": 3, "run": "mine"}, {"seed": 3}),
        ({"model": {"k": "3", "layout": "windows"}, "atlas": {"seed": 3}}, {"model": {"k": "3"}}),
        ({"model": 3, "seed": {"k": 3}, "tables": {"table1": None}}, {"tables": {"table1": None}}),
        ({"absent": None}, {}),
    ],
)
def test_what_of_the_command_line_has_come_to_a_module(given, found):
    """The rest is of the workflow that takes this one up."""
    config = {"seed": 3, "run": "yours", "model": {"k": "3", "layout": "concatenated"}, "tables": {"table1": None}}
    assert shared(given, config) == found


def test_a_key_that_stands_twice_in_an_overlay(tmp_path):
    """Snakemake would take the last one without a word."""
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("seed: 1\nmodel: {k: 6}\nseed: 2\n")
    with pytest.raises(InputError, match=r"mine\.yaml, line 3: not valid YAML \(the key seed occurs twice\)"):
        Run(merge(CONFIG, {"seed": 2}), ROOT / "config", [overlay])
    overlay.write_text('{"seed": 1,\n\t"model": {"k": 6}}')  # JSON is YAML
    assert Run(CONFIG, ROOT / "config", [overlay]).config["seed"] == 42
