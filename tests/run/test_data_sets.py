"""Data sets, rows of tables and fine-tuning settings, from the configuration."""

import csv
from collections import Counter

import pytest
from config_inputs import CONFIG, ROOT, problems, run_of

from genebert.errors import InputError
from genebert.paper import TABLE2, TABLE6
from genebert.run.together import expanded
from genebert.settings.load import merge
from genebert.sources.registry import in_506, read_tfbs_list
from genebert.tasks.promoter import PromoterTask
from genebert.tasks.tfbs import TfbsTask, listed_sets

ENTRIES = read_tfbs_list(ROOT / "config" / "tfbs.tsv")
OWN = {"peaks": "{data}/mine.bed", "factor": "CTCF"}
SHARED = {"length", "negatives", "split", "valid_fraction", "test_chromosomes", "valid_chromosomes"}


def tfbs(**section) -> dict[str, dict]:
    """Return the TFBS sets of the paper's config with other keys of its section."""
    whole = merge(CONFIG["tasks"]["tfbs"], section)
    whole["own"] = {name: {"cell": "", "tissue": "", **own} for name, own in whole["own"].items()}
    return TfbsTask().data_sets(whole, ROOT / "config")


def refusal(**section) -> str:
    with pytest.raises(InputError) as caught:
        tfbs(**section)
    (line,) = str(caught.value).splitlines()
    return line


# ----------------------------------------------------------------------------------------------------------- TFBS sets


@pytest.mark.parametrize(("number", "names"), [(2, TABLE2), (6, TABLE6)])
def test_the_papers_sets_are_those_of_its_tables(number, names):
    with (ROOT / f"config/paper/table{number}.tsv").open() as file:
        rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t")
        assert list(dict.fromkeys(row["dataset"] for row in rows)) == [f"tfbs/{name}" for name in names]
    assert len(set(names)) == {2: 9, 6: 7}[number]


def test_table_2_is_the_default():
    sets = tfbs()
    assert tuple(sets) == TABLE2
    found = sets["CTCF_BE(2)-C_CTCF_UW"]
    assert found["peaks"] == "{data}/tfbs/wgEncodeAwgTfbsUwBe2cCtcfUniPk.narrowPeak.gz"
    assert (found["factor"], found["cell"], found["tissue"]) == ("CTCF", "BE(2)-C", "Brain")
    assert found.keys() == {"peaks", "factor", "cell", "tissue", "transfer"} | SHARED
    for name, settings in sets.items():
        assert {key: settings[key] for key in SHARED} == {key: CONFIG["tasks"]["tfbs"][key] for key in SHARED}, name


def test_all_506_have_one_file_each():
    sets = tfbs(data_sets="all_506", transfer=[])
    assert len(sets) == len({settings["peaks"] for settings in sets.values()}) == 506
    good = [entry for entry in ENTRIES if in_506(entry)]
    twice = [name for name, n in Counter(entry["name"] for entry in good).items() if n > 1]
    assert len(twice) == 2
    for name in twice:
        files = [entry["file"] for entry in good if entry["name"] == name]
        assert sets[name]["peaks"].rpartition("/")[2] == files[0] != files[1]
    assert sets.keys() == {entry["name"] for entry in good}
    assert list(sets)[:2] == [entry["name"] for entry in good[:2]]


def test_of_one_name_the_untreated_file_is_taken():
    """First in the list is a treated one, or one of lesser quality."""
    kept, other = {"quality": "good", "treatment": "None"}, {"factor": "F", "cell": "c", "tissue": ""}
    entries = [
        {"name": "F_c_F_X", "file": "treated.gz", **other, **kept, "treatment": "EtOH"},
        {"name": "F_c_F_X", "file": "doubtful.gz", **other, **kept, "quality": "caution"},
        {"name": "F_c_F_X", "file": "kept.gz", **other, **kept},
        {"name": "F_c_F_X", "file": "second.gz", **other, **kept},
        {"name": "G_c_G_X", "file": "only_treated.gz", **other, **kept, "treatment": "EtOH"},
    ]
    sets = listed_sets(["G_c_G_X", "F_c_F_X"], entries)
    assert [(name, found["file"]) for name, found in sets.items()] == [
        ("G_c_G_X", "only_treated.gz"), ("F_c_F_X", "kept.gz")
    ]  # fmt: skip
    assert list(listed_sets("all_506", entries)) == ["F_c_F_X"]


def test_own_sets_come_after_those_of_the_list():
    sets = tfbs(data_sets=[TABLE2[8], TABLE2[0]], own={"mine(1)": OWN, "b": {**OWN, "cell": "K562", "tissue": "Blood"}})
    assert list(sets) == [TABLE2[8], TABLE2[0], "mine(1)", "b"]
    assert {key: sets["mine(1)"][key] for key in ("peaks", "factor", "cell", "tissue")} == {
        "peaks": "{data}/mine.bed", "factor": "CTCF", "cell": "", "tissue": ""
    }  # fmt: skip
    assert (sets["b"]["cell"], sets["b"]["tissue"]) == ("K562", "Blood")
    assert sets["b"].keys() == {"peaks", "factor", "cell", "tissue", "transfer"} | SHARED
    assert list(tfbs(data_sets=[], own={"mine": OWN})) == ["mine"]
    assert tfbs(data_sets=[]) == {}


def test_the_other_tasks_stay_as_they_are():
    run = run_of({})
    assert run.sets["promoter"] == run.config["tasks"]["promoter"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [("table6", TABLE6), ("all", (*TABLE2, "mine")), (["mine", TABLE2[0]], ("mine", TABLE2[0])), ([], ())],
)
def test_transfer(wanted, names):
    """A model is tested on all wanted sets but its own, and only one trained on a wanted set."""
    for name, settings in tfbs(own={"mine": OWN}, transfer=wanted).items():
        expected = [other for other in names if other != name] if name in names else []
        assert settings["transfer"] == expected, name


def test_table_6_means_those_of_its_sets_that_there_are():
    sets = tfbs(data_sets=[TABLE2[0], TABLE6[3], TABLE6[1]])
    assert [settings["transfer"] for settings in sets.values()] == [[], [TABLE6[1]], [TABLE6[3]]]


def test_refused_sets():
    near = "unknown name CTCF_A549_CTCF_UX; did you mean CTCF_A549_CTCF_UW?"
    assert refusal(data_sets=["CTCF_A549_CTCF_UX"]) == f"tasks.tfbs.data_sets: {near}"
    assert refusal(data_sets="table3") == (
        "tasks.tfbs.data_sets: found 'table3', expected table2, all_506 or a list of names"
    )
    assert refusal(own={TABLE2[1]: OWN}) == (
        "tasks.tfbs.own: found CTCF_A549_CTCF_UW, which data_sets has too; expected another name"
    )
    assert refusal(own={"mine": OWN}, transfer=["min"]) == (
        "tasks.tfbs.transfer: unknown data set min; did you mean mine?"
    )
    assert refusal(transfer="table2") == (
        "tasks.tfbs.transfer: found 'table2', expected table6, all or a list of data sets"
    )
    # in the list of names, but not among the run's sets
    assert refusal(data_sets=[TABLE2[0]], transfer=[TABLE2[1]]) == (
        "tasks.tfbs.transfer: unknown data set CTCF_A549_CTCF_UW; did you mean CTCF_A549_CTCF_UT-A?"
    )
    # and the whole configuration is refused in the same words
    assert problems({"tasks": {"tfbs": {"data_sets": ["CTCF_A549_CTCF_UX"]}}}) == [
        f"config: tasks.tfbs.data_sets: {near}"
    ]


# ------------------------------------------------------------------------------------------------- tables and settings


def rows(table: dict, **section) -> dict[str, list[str]]:
    section.setdefault("transfer", [])
    return expanded(table, run_of({"tasks": {"tfbs": section}}).sets)


def test_a_task_stands_for_its_sets_and_single_rows_are_merged():
    names = [f"tfbs/{name}" for name in TABLE2]
    assert rows({"tfbs": ["cnn", "genebert"]}) == {name: ["cnn", "genebert"] for name in names}
    found = rows({names[3]: ["mgm", "cnn"], "tfbs": ["cnn", "genebert"], names[5]: ["genebert", "pwm"]})
    assert list(found) == [names[3], *names[:3], *names[4:]]
    assert found.pop(names[3]) == ["mgm", "cnn", "genebert"]
    assert found.pop(names[5]) == ["cnn", "genebert", "pwm"]
    assert set(map(tuple, found.values())) == {("cnn", "genebert")}
    assert rows({names[8]: ["pwm"], "promoter": ["cnn"]}) == {names[8]: ["pwm"], "promoter/prom-core": ["cnn"]}


def test_a_table_without_rows():
    assert rows({"tfbs": ["cnn"]}, data_sets=[]) == {}
    assert rows({"tfbs": ["cnn"]}, data_sets=[], own={"mine": OWN}) == {"tfbs/mine": ["cnn"]}


def test_each_set_has_a_list_of_models_of_its_own():
    found = rows({"tfbs": ["cnn"]})
    found["tfbs/CTCF_A549_CTCF_UW"].append("pwm")
    assert found["tfbs/CTCF_AoAF_CTCF_UW"] == ["cnn"]


def test_what_an_entry_sets_is_not_searched_over():
    grid = {"learning_rate": [1e-5, 1e-4], "epochs": [3, 5]}
    run = run_of(
        {"finetune": {"tfbs": {"grid": grid}}, "models": {"none": {"of": "genebert", "finetune": {"grid": {}}}}}
    )
    assert run.models.finetune_settings("tfbs", "genebert")["grid"] == grid
    fixed = run.models.finetune_settings("tfbs", "dnabert-2e-4")
    assert (fixed["learning_rate"], fixed["grid"]) == (2e-4, {"epochs": [3, 5]})
    assert run.models.finetune_settings("tfbs", "none")["grid"] == {}
    # nor is what a task sets, by the default's grid
    run = run_of({"finetune": {"default": {"grid": grid}, "tfbs": {"epochs": 2}}})
    assert run.models.finetune_settings("tfbs", "genebert")["grid"] == {"learning_rate": [1e-5, 1e-4]}
    assert run.models.finetune_settings("promoter", "genebert")["grid"] == grid


def test_settings_of_an_entry_go_over_those_of_the_task():
    default = CONFIG["finetune"]["default"]
    assert run_of({}).models.finetune_settings("tfbs", "genebert") == default
    assert run_of({}).models.finetune_settings("tfbs", "dnabert-2e-4") == default | {"learning_rate": 2e-4}
    run = run_of({
        "finetune": {"tfbs": {"epochs": 4, "learning_rate": 1e-3}},
        "models": {
            "dnabert-2e-4": {"finetune": {"learning_rate": 5e-4, "frozen": True}},
            "mine": {"finetune": {"batch": 8}},
        },
    })  # fmt: skip
    changes = {"genebert": {"learning_rate": 1e-3}, "dnabert-2e-4": {"learning_rate": 5e-4, "frozen": True}}
    changes["mine"] = {"learning_rate": 1e-3, "batch": 8}
    for name, change in changes.items():
        assert run.models.finetune_settings("tfbs", name) == default | {"epochs": 4} | change
    assert run.models.finetune_settings("promoter", "genebert") == default


def test_files():
    run = run_of({})
    promoter = run.sets["promoter"]["prom-core"]
    assert PromoterTask().files(promoter) == {
        "path": "resources/epdnew/Hs_EPDnew_006_hg19.bed", "motifs": "resources/epdnew/promoter_motifs.txt"
    }  # fmt: skip
    assert list(PromoterTask().files(promoter | {"motifs": None})) == ["path"]
    assert list(PromoterTask().files(promoter | {"source": "kmer-tsv"})) == ["path"]
    assert TfbsTask().files(run.sets["tfbs"][TABLE2[1]]) == {
        "peaks": "resources/tfbs/wgEncodeAwgTfbsUwA549CtcfUniPk.narrowPeak.gz"
    }


# ----------------------------------------------------------------------------------------------------------- the check

PROMOTER = CONFIG["tasks"]["promoter"]["prom-core"]
CURVE = {"models": ["cnn"], "sizes": [10, 20], "finetune": {}}
LISTS = {"split": "chromosome", "test_chromosomes": ["chr8"], "valid_chromosomes": ["chr9"]}
NO_LISTS = "found chromosome, but no test_chromosomes or no valid_chromosomes; expected both"


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ({"models": {"pwm": {}}}, "the model name pwm is that of a baseline, expected another name"),
        (
            {"tables": {"table2": {"tfbs/CTCF_A549_CTCF_UX": ["cnn"]}}},
            "tables.table2: unknown data set tfbs/CTCF_A549_CTCF_UX; did you mean tfbs/CTCF_A549_CTCF_UW?",
        ),
        ({"tables": {"table2": {"tbfs": ["cnn"]}}}, "tables.table2: unknown data set tbfs; did you mean tfbs?"),
        (
            {"tables": {"table2": {"tfbs": ["pwn"]}}},
            "tables.table2.tfbs: unknown model or baseline pwn; did you mean pwm?",
        ),
        (
            {"tables": {"table1": {"promoter/prom-core": ["pwm", "cnn"]}}},
            "tables.table1.promoter/prom-core: found pwm, which needs a factor; expected it below tfbs only",
        ),
        (
            {"tables": {"table1": {"promoter": ["pwm"]}}},
            "tables.table1.promoter: found pwm, which needs a factor; expected it below tfbs only",
        ),
        (
            {"tables": {"table2": {"tfbs": ["spliceai-80", "cnn"]}}},
            "tables.table2.tfbs: found spliceai-80, which is not for tasks of the kind two-class; expected a model or "
            "one of pwm, motif-best, motif-l1, motif-trees, kmer-logreg, boosted-trees, cnn",
        ),
        (
            {"learning_curves": {"promoter/prom-core": {"models": ["spliceai-published"]}}},
            "learning_curves.promoter/prom-core: found spliceai-published, which is not for tasks of the kind",
        ),
        (
            {"learning_curves": {"promoter/prom-cor": CURVE}},
            "learning_curves: unknown data set promoter/prom-cor; did you mean promoter/prom-core?",
        ),
        ({"learning_curves": {"tbfs": CURVE}}, "learning_curves: unknown data set tbfs; did you mean tfbs?"),
        (
            {"learning_curves": {"promoter/prom-core": {"models": ["gnebert"]}}},
            "learning_curves.promoter/prom-core: unknown model or baseline gnebert; did you mean genebert?",
        ),
        (
            {"learning_curves": {"promoter/prom-core": {"models": ["pwm"]}}},
            "learning_curves.promoter/prom-core: found pwm, which needs a factor; expected it below tfbs only",
        ),
        ({"unavailable": {"dnabrt": "why"}}, "unavailable: unknown model or data set dnabrt; did you mean dnabert?"),
        (
            {"unavailable": {"promoter/prom-cor": "why"}},
            "unavailable: unknown model or data set promoter/prom-cor; did you mean promoter/prom-core?",
        ),
        ({"unavailable": {"tfbs": "why"}}, "unavailable: unknown model or data set tfbs; "),
        ({"tasks": {"tfbs": {"split": "chromosome"}}}, f"tasks.tfbs.split: {NO_LISTS}"),
        ({"tasks": {"tfbs": LISTS | {"valid_chromosomes": []}}}, f"tasks.tfbs.split: {NO_LISTS}"),
        (
            {"tasks": {"promoter": {"prom-core": LISTS | {"test_chromosomes": []}}}},
            f"tasks.promoter.prom-core.split: {NO_LISTS}",
        ),
    ],
)
def test_what_is_refused(overlay, sentence):
    (line,) = problems(overlay)
    assert line.startswith(f"config: {sentence}")
    # a name is not suggested in place of itself
    name = line.partition("unknown data set ")[2].partition(";")[0]
    assert not (name and line.endswith(f"did you mean {name}?"))


def test_every_set_and_row_is_checked():
    chromosome = PROMOTER | {"split": "chromosome"}
    lines = problems({"tasks": {"promoter": {"a": chromosome, "b": chromosome}, "tfbs": {"split": "chromosome"}}})
    assert [line.split(": ")[1] for line in lines] == [
        "tasks.promoter.a.split", "tasks.promoter.b.split", "tasks.tfbs.split"
    ]  # fmt: skip
    lines = problems({"tables": {"table1": {"promoter/c": ["genbert"]}}, "unavailable": {"x": "why"}})
    assert [line.removeprefix("config: ").split(";")[0] for line in lines] == [
        "tables.table1: unknown data set promoter/c", "tables.table1.promoter/c: unknown model or baseline genbert",
        "unavailable: unknown model or data set x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "overlay",
    [
        {"tasks": {"tfbs": LISTS, "promoter": {"prom-core": LISTS}}},
        {"tasks": {"promoter": {"more": PROMOTER}}, "tables": {"table1": {"promoter": ["cnn"]}}},
        {"tasks": {"tfbs": {"own": {"mine": OWN}, "transfer": ["mine"]}}, "tables": {"table2": {"tfbs/mine": ["pwm"]}}},
        {"tables": {"table1": {"promoter": ["motif-best", "motif-l1", "motif-trees"]}}},
        {"learning_curves": {"promoter": CURVE | {"models": ["motif-l1"]}, "tfbs": CURVE}},
        {"tables": {"table2": {"tfbs/CTCF_BE(2)-C_CTCF_UW": ["genebert-2e-4", "dnabert-2e-4"]}}},
        {"learning_curves": {"tfbs/CTCF_BE(2)-C_CTCF_UW": CURVE | {"models": ["pwm", "genebert-frozen"]}}},
        {"unavailable": {"dnabert": "a", "cnn": "b", "tfbs/CTCF_BE(2)-C_CTCF_UW": "c", "promoter/prom-core": "d"}},
        {"tasks": {"tfbs": {"data_sets": "all_506", "negatives": "genomic", "transfer": "all"}}},
    ],
)
def test_what_is_allowed(overlay):
    assert problems(overlay) == []


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ({"test_chromosomes": ["chr1"], "valid_chromosomes": ["1"]}, "chr1 is a test chromosome too, expected others"),
        (
            {"test_chromosomes": ["chrZ"], "valid_chromosomes": ["1"]},
            "found chrZ, expected chromosomes of the run: ",
        ),
    ],
)
def test_chromosomes_of_splits_are_compared_with_those_of_the_run(lists, sentence):
    split = {"split": "chromosome", **lists}
    found = problems({"tasks": {"tfbs": split, "promoter": {"prom-core": split}}})
    assert len(found) == 2
    for line, where in zip(found, ("tasks.promoter.prom-core.", "tasks.tfbs."), strict=True):
        assert line.startswith(f"config: {where}") and sentence in line
