"""What stops at the plan because models, data sets, processes and the genome do not go together."""

from types import SimpleNamespace

import pandas as pd
import pytest
from config_inputs import MODELS, problems, run_of

from genebert.errors import InputError
from genebert.evaluation.examples import Examples
from genebert.models.tokens import tokenise
from genebert.settings.fitting import only_of_two_classes
from genebert.settings.resources import Resources
from genebert.settings.training import share_of

SHORT = {"layout": "windows", "sequence_encoder": {"max_tokens": 64}}
POSITIONS = "a sequence has 101 bases, 98 tokens; expected at most 64, the positions of the model (67 bases)"
# The paper's tables have rows of many models.
NO_ABLATIONS = {
    "tables": {
        "table1": {"promoter/prom-core": ["from-scratch", "dnabert", "genebert"]},
        "table2": {"tfbs": ["from-scratch", "dnabert", "genebert"]},
        **{f"table{n}": {"promoter": None} for n in (5, "5_extended", 7, 8, "8_extended")},
    }
}
ONE_ROW = {
    "tables": {
        "table1": {"promoter/prom-core": ["genebert"]}, "table2": {"tfbs": ["pwm"]}, "table6": {"tfbs": ["pwm"]},
        "table3": {"disease/HSCR-RET": ["sex"], "disease/HSCR-RET-Long": ["sex"]},
        "table1_extended": {"promoter/prom-core-genomic": ["cnn"]},
        **{f"table{n}": {"promoter": ["cnn"]} for n in (5, "5_extended", 7, 8, "8_extended")},
    },
    "learning_curves": {"promoter/prom-core": {"models": ["kmer-logreg"]}, "tfbs": None},
    "figure2": {"uni_modal": None},
    "cell_accessibility": {"features": []},
}  # fmt: skip


def test_sequences_longer_than_the_positions_of_a_model():
    """At the plan, in the words of the job that tokenises; said once of all models and data sets."""
    lines = problems({"model": SHORT, **NO_ABLATIONS})
    assert lines == [
        "model from-scratch, dnabert, genebert and 10 more: tasks.promoter: a sequence has 70 bases, 67 tokens; "
        "expected at most 64, the positions of the model (67 bases)",
        f"model from-scratch, dnabert, genebert and 10 more: tasks.tfbs: {POSITIONS}",
    ]  # fmt: skip
    with pytest.raises(InputError) as caught:
        tokenise(Examples(pd.DataFrame({"sequence": ["A" * 101]}), "test"), 6, 64)
    assert str(caught.value) == f"test: row 0 {POSITIONS.removeprefix('a sequence ')}"


def test_what_no_row_shows_may_be_longer():
    assert problems({"models": {"short": SHORT}}) == []
    (line,) = problems({"models": {"short": SHORT}, "learning_curves": {"promoter/prom-core": {"models": ["short"]}}})
    assert line.startswith("model short: tasks.promoter: a sequence has 70 bases")
    rows = {"table1": {"promoter/prom-core": ["short", "cnn"]}}
    assert len(problems({"models": {"short": SHORT}, "tables": rows})) == 1
    assert problems({"models": {"short": SHORT}, "tables": rows, "unavailable": {"short": "no network"}}) == []
    assert problems({"models": {"short": SHORT}, "tables": rows, "unavailable": {"promoter/prom-core": "none"}}) == []
    # of a table of k-mers only the file tells the length
    table = {"source": "kmer-tsv", "path": "x.tsv"}
    assert problems({"models": {"short": SHORT}, "tables": rows, "tasks": {"promoter": {"prom-core": table}}}) == []


@pytest.mark.parametrize(("processes", "nodes"), [(3, 1), (3, 2), (1, 256)])
def test_processes_that_do_not_share_out_a_batch(processes, nodes):
    lines = problems({"resources": {"pretrain": {"processes": processes, "nodes": nodes}}, **NO_ABLATIONS})
    sentence = f"training.batch: found 128, expected a multiple of the {processes * nodes} processes"
    assert lines == [f"model genebert, dnabert-conv, genebert-conv and 4 more: {sentence}"]
    with pytest.raises(InputError, match=f"^{sentence}$"):
        share_of(128, processes * nodes)
    assert problems({"resources": {"pretrain": {"processes": 4, "nodes": 2}}}) == []
    assert Resources().of("pretrain")["processes"] == 1


def test_processes_of_a_model_that_is_only_a_start():
    later = {"model": {"sequence_encoder": {"weights": None}}, "models": {
        "first": {"training": {"batch": 100}}, "later": {"sequence_encoder": {"weights": "model:first"}},
    }, "tables": {"table1": {"promoter/prom-core": ["later"]}}, "unavailable": {"dnabert": "not here"}}  # fmt: skip
    lines = problems({**later, "resources": {"pretrain": {"processes": 8}}})
    assert lines == ["model first: training.batch: found 100, expected a multiple of the 8 processes"]


STARTS = {
    "genebert": {"sequence_encoder": {"weights": "model:dnabert"}},
    "dnabert": {"training": {"steps": 5}, "sequence_encoder": {"weights": None}},
}


def test_a_start_that_cannot_be_had():
    sentence = (
        "sequence_encoder.weights: found model:dnabert, which `unavailable` lists; expected another start, or "
        "this model there too"
    )  # fmt: skip
    assert problems({"models": STARTS}) == []
    gone = {"models": STARTS, "unavailable": {"dnabert": "no time"}}
    assert problems(gone) == [f"model genebert: {sentence}"]
    assert problems({**gone, "unavailable": {"dnabert": "no time", "genebert": "nor this"}}) == []
    # through another model, and under another name
    chain = STARTS | {"mine": {"sequence_encoder": {"weights": "model:genebert"}}, "yours": {"of": "mine"}}
    rows = ONE_ROW | {"tables": {**ONE_ROW["tables"], "table1": {"promoter/prom-core": ["mine", "yours"]}}}
    assert problems({**rows, **gone, "models": chain}) == [f"model mine: {sentence}"]
    assert problems({**ONE_ROW, "unavailable": {"dnabert": "x"}}) == []


@pytest.mark.parametrize(
    ("build", "names", "absent"),
    [
        ("hg19", ["chr1", "chr23"], "chr23"),
        ("hg38", [1, 25, "chrZ"], "25, chrZ"),
        ("hg19", ["chr2L", "X"], "chr2L"),
        ("hg19", ["chr1", "X", "Y", "MT", "chrM"], None),
        ("hg19", ["chr1", "chr6_apd_hap1", "GL000191.1", "chrUn_gl000211", "chrEBV"], None),
        ("mm10", ["chr25"], None),
    ],
)
def test_chromosomes_that_a_known_build_lacks(build, names, absent):
    names = [*dict.fromkeys(names)] if "MT" not in names else names[:-1]
    lines = problems({"chromosomes": names, "genome": {"build": build}})
    expected = f"expected some of those of {build}: chr1 to chr22, chrX, chrY"
    assert lines == ([] if absent is None else [f"config: chromosomes: found {absent}, {expected}"])


def test_the_releases_of_jaspar_are_those_of_the_library():
    import pyjaspar

    (line,) = problems({"motifs": {"release": "JASPAR2017"}})
    assert line == (
        "config: motifs.release: found 'JASPAR2017', expected one of " + ", ".join(sorted(pyjaspar.jaspar_releases))
    )


def test_a_simulation_without_room():
    small = {"simulate": {"chromosomes": {"chr1": 90_000, "chr2": 400_000}, "mostly_n": [], "n_regions": 20_000}}
    assert problems(small) == []  # nothing of it is asked for
    (line,) = problems({**small, "genome": {"build": "toy", "fasta": "resources/simulated/genome.fa.gz"}})
    assert line.startswith("config: simulation: chr1 of 90000 bases has room for 86000, expected at least ")
    assert line.endswith("make the chromosomes longer or the regions fewer")


def test_an_unknown_name_among_many_is_answered_with_the_nearest():
    section = {"data_sets": "all_506", "transfer": []}
    (line,) = problems({"tasks": {"tfbs": section}, "tables": {"table2": {"tfbs/Helicase": ["cnn"]}}})
    assert line.startswith("config: tables.table2: unknown data set tfbs/Helicase; expected one of 5")
    assert line.count(", ") == 5 and "tfbs/FOS_HeLa-S3_c-Fos_Yale" in line  # five of them


def test_what_is_beside_of_is_told_in_the_order_of_the_settings():
    """And not in that of a set, which the seed of Python's hashes decides."""
    keys = ["k", "layout", "sequence_encoder", "region_encoder", "losses", "training"]
    values = {"k": 3, "layout": "windows"}
    for order in (keys, keys[::-1]):
        lines = problems({"models": {"mine": {"of": "genebert", **{key: values.get(key, {}) for key in order}}}})
        assert [line.split()[1] for line in lines] == [f"mine.{key}:" for key in keys]


def test_a_model_that_leads_into_a_circle_is_not_said_to_be_in_it():
    starts = {"a": "b", "b": "c", "c": "b", "d": "d", "e": "a"}
    models = {name: {"sequence_encoder": {"weights": f"model:{other}"}} for name, other in starts.items()}
    expected = {
        "a": "lead into a circle, that of b", "b": "itself start from b", "c": "itself start from c",
        "d": "itself start from d", "e": "lead into a circle, that of b",
    }  # fmt: skip
    assert problems({"models": models}) == [
        f"model {name}: sequence_encoder.weights: found model:{other}, expected a model that does not {expected[name]}"
        for name, other in starts.items()
    ]


def test_the_run_says_it_too():
    with pytest.raises(
        InputError, match=r"^model genebert, dnabert-conv, genebert-conv and 4 more: training\.batch: found 128"
    ):
        run_of({"resources": {"pretrain": {"processes": 3}}, **NO_ABLATIONS})
    assert set(MODELS) <= set(run_of({}).models.names)


def test_a_pretrained_model_is_not_a_random_network():
    """As where the block of own data that trains it was lost; one from scratch has no loss, and is meant to be."""
    lines = problems({"model": {"sequence_encoder": {"weights": None}}})
    found = "found 0, and no sequence_encoder.weights: its weights would be random; expected one"
    assert [line for line in lines if "random" in line] == [f"model dnabert: training.steps: {found}"]
    trained = {"model": {"sequence_encoder": {"weights": None}}, "models": {"dnabert": {"training": {"steps": 5}}}}
    assert not [line for line in problems(trained) if "random" in line]


# ------------------------------------------------------------------------------------------------------ splicing

SPLICING = {"tasks": {"splicing": {"toy": {"table": "x.txt", "split": "gene"}}}}


def rows(*names, table: str = "table4", data_set: str = "splicing/toy"):
    """Return an overlay with one row of splicing."""
    shown = {"table4": {"splicing": ["splice-pwm"]}}
    shown[table] = shown.get(table, {}) | {data_set: list(names)}
    return {**SPLICING, **ONE_ROW, "tables": ONE_ROW["tables"] | shown}


def test_settings_of_windows_belong_to_classes_of_bases():
    overlay = rows("genebert-80nt", table="table1", data_set="promoter/prom-core")
    line = "found in a row of promoter, expected it for classes of bases only"
    assert problems(overlay) == [f"model genebert-80nt: models.genebert-80nt.finetune.context: {line}"]
    overlay = {"models": {"genebert": {"finetune": {"grid": {"negatives": [0.5, 1.0]}}}}}
    assert "model genebert: models.genebert.finetune.grid.negatives: " + line in problems(overlay)
    curve = {"learning_curves": {"promoter/prom-core": {"finetune": {"context": 80, "epochs": 3}}}}
    (line,) = problems(curve)
    assert line.startswith("config: unknown key learning_curves.promoter/prom-core.finetune.context; expected one of")


def test_tables_and_curves_hold_data_sets_of_their_kind():
    """Before anything is fitted: a table could not be rendered."""
    kinds = "whose kind is base-classes; expected data sets of the kind two-class"
    assert problems(rows("splice-pwm", table="table1")) == [f"config: tables.table1: found splicing/toy, {kinds}"]
    assert problems(rows("cnn", data_set="promoter/prom-core")) == [
        "config: tables.table4: found promoter/prom-core, whose kind is two-class; expected data sets of the kind "
        "base-classes"
    ]
    risk = {"tables": {"table3": {"promoter/prom-core": ["cnn"]}, "table1": {"disease/HSCR-RET": ["sex"]}}}
    assert problems(risk) == [
        f"config: tables.{table}: found {name}, whose kind is {found}; expected data sets of the kind {expected}"
        for table, name, found, expected in (
            ("table1", "disease/HSCR-RET", "person", "two-class"),
            ("table3", "promoter/prom-core", "two-class", "person"),
        )
    ]
    curve = {**SPLICING, "learning_curves": {"splicing/toy": {"models": ["splice-pwm"]}}}
    assert problems(curve) == [f"config: learning_curves: found splicing/toy, {kinds}"]


def test_what_a_tagger_cannot_have():
    site = "found both, expected given: a site belongs to one strand"
    own = rows("genebert")
    assert f"model genebert: finetune.splicing.strands: {site}" in problems(
        own | {"finetune": {"splicing": {"strands": "both"}}}
    )
    assert f"model genebert: finetune.default.grid.strands: {site}" in problems(
        own | {"finetune": {"default": {"grid": {"strands": ["given", "both"]}}}}
    )
    # what a grid replaces is not fitted
    grid = {"default": {"strands": "both"}, "splicing": {"grid": {"strands": ["given"]}}}
    assert not any(line.endswith(site) and "genebert" in line for line in problems(own | {"finetune": grid}))
    for pooling, where, found in (
        ({"pooling": "max"}, "pooling", "max"),
        ({"pooling": "motifs"}, "pooling", "motifs"),
        ({"grid": {"pooling": ["max", "mean"]}}, "grid.pooling", "max, mean"),
    ):
        for key, overlay in (
            ("finetune.splicing", {"finetune": {"splicing": pooling}}),
            ("models.genebert.finetune", {"models": {"genebert": {"finetune": pooling}}}),
        ):
            line = f"model genebert: {key}.{where}: found {found}, expected none: each base has a state of its own"
            # the model's entry is of its row of promoters too
            assert [one for one in problems(own | overlay) if "predicts no scores" not in one] == [line]
    short = {"layout": "windows", "sequence_encoder": {"max_tokens": 44, "weights": None}}
    few = {**rows("short"), "models": {"short": short}}
    assert problems(few) == [
        "model short: sequence_encoder.max_tokens: found 44, expected at least 45 for the classes of bases with k 6"
    ]


@pytest.mark.parametrize("where", [{}, {"grid": {"pooling": ["max", "motifs"]}}])
def test_predicted_scores_are_of_models_that_predict_them(where):
    """Those of the mean state are no scores of a k-mer."""
    motifs = where or {"pooling": "motifs"}
    overlay = {"finetune": {"tfbs": motifs}, "tables": {"table2": {"tfbs": ["genebert", "genebert-conv-regression"]}}}
    (found,) = problems(overlay)
    assert found.startswith("model genebert, ") and "genebert-conv-regression" not in found
    key = "grid.pooling" if where else "pooling"
    assert found.endswith(
        f": finetune.tfbs.{key}: found motifs of a model that predicts no scores; expected losses.srm regression and "
        "losses.readout max, and training.steps above 0"
    )


def test_a_curve_and_a_grid_are_seen_as_they_are_fitted():
    """A curve's settings lie over the row's; what a grid replaces is not fitted."""
    curve = {"models": ["genebert"], "finetune": {"pooling": "motifs"}}
    (found,) = problems(ONE_ROW | {"learning_curves": {"tfbs": curve}})
    assert found.startswith("model genebert: learning_curves.tfbs.finetune.pooling: found motifs of a model that ")
    default = {"finetune": {"default": {"pooling": "motifs"}}}
    # a grid replaces one below it, and its keys are again what they are without: named where that stands
    grids = {"finetune": {"default": {"pooling": "motifs"}, "tfbs": {"grid": {"pooling": ["motifs", "max"]}}}}
    other = {"models": ["genebert"], "finetune": {"grid": {"epochs": [1, 2]}}}
    (line,) = problems(ONE_ROW | grids | {"learning_curves": {"tfbs": other}})
    assert line.startswith("model genebert, ") and ": finetune.default.pooling: found motifs of a model" in line
    for one in ({"pooling": "max"}, {"grid": {"pooling": ["max", "mean"]}}):
        found = problems(ONE_ROW | default | {"learning_curves": {"tfbs": {"models": ["genebert"], "finetune": one}}})
        assert not any("learning_curves" in line for line in found)
        lines = problems(default | {"models": {"genebert": {"finetune": one}}})
        assert lines and not any(" genebert:" in line or " genebert," in line for line in lines)


def test_untrained_models_predict_no_scores():
    found = problems({"models": {"genebert-conv-regression": {"training": {"steps": 0}}}})
    sentence = ".finetune.pooling: found motifs of a model that predicts no scores"
    assert found and all(sentence in line for line in found)


@pytest.mark.parametrize("changes", [{"pooling": "motifs"}, {"start": "probe", "probe": "sparse"}])
def test_people_have_no_probe_of_few_units(changes):
    (name, value), *_ = [pair for pair in changes.items() if pair[0] != "start"]
    other = "mean, max or cls" if name == "pooling" else "gradient"
    expected = f"finetune.disease.{name}: found {value}, expected {other}: it is for sequences of two classes"
    assert expected in "\n".join(problems({"finetune": {"disease": changes}}))
    assert not list(only_of_two_classes({"probe": "sparse", "start": "all", "grid": {}}))  # it is not read there


def test_people_are_read_on_the_strand_given():
    assert problems({"finetune": {"disease": {"strands": "both"}}}) == [
        "model from-scratch, dnabert, genebert and 3 more: finetune.disease.strands: found both, expected given: both "
        "haplotypes are read as the genome is"
    ]
    run = run_of({})
    assert run.method_of("disease", "genebert-frozen") == "haplotypes" and run.method_of("disease", "sex") == "sex"


@pytest.mark.parametrize(
    ("overlay", "reason"),
    [
        ({"chromosomes": ["chr20"]}, "simulated on chr10 (cohort.chromosome), which this run does not have"),
        ({"genome": {"build": "hg38"}}, "this run's are below resources/simulated/cohort/hg38/"),
    ],
)
def test_people_that_are_simulated_where_the_run_has_nothing(overlay, reason):
    """Beside others rows that say so; a table of which nothing can be had is left out."""
    run = run_of(overlay)
    assert reason in run.reason_of_absence("disease/HSCR-RET", "one-snp")
    assert "disease/HSCR-RET" not in run.data_set_names() and run.rows["table3"] == {}
    with pytest.raises(InputError, match=r"table3: tables and tasks have no data set for it.*simulated"):
        run.table_scores(SimpleNamespace(table="table3"))
    own = {"HSCR-RET": {"vcf": "a.vcf.gz", "phenotypes": "a.tsv", "regions": "a.bed", "effects": "e.tsv"}}
    again = run_of(overlay | {"tasks": {"disease": own}})
    assert "disease/HSCR-RET" in again.data_set_names() and len(again.rows["table3"]) == 2


def test_risk_variants_of_a_file_that_is_not_given():
    (line,) = problems({"tasks": {"disease": {"HSCR-RET": {"effects": None}}}})
    assert line.startswith("config: tasks.disease.HSCR-RET.effects: found null, but snps: effects takes")


def test_models_of_splicing_are_fine_tuned_on_bases():
    run = run_of({**SPLICING, "finetune": {"splicing": {"context": 400, "negatives": 0.1}}})
    assert [run.method_of("splicing", name) for name in ("genebert", "splice-pwm")] == ["tag", "splice-pwm"]
    assert run.method_of("promoter", "genebert") == "finetune"
    assert run.models.finetune_settings("splicing", "genebert")["context"] == 400
    assert run.models.finetune_settings("splicing", "genebert-80nt")["context"] == 80
    assert "context" not in run.models.finetune_settings("promoter", "genebert")


def test_windows_are_what_models_are_shown():
    """Longer ones would be cropped, and in shorter ones no filter lies."""
    assert problems({"accessibility": {"windows_bp": 600}}) == [
        "config: accessibility.windows_bp: found 600, expected at most corpus.region_bp, 515"
    ]
    convolution = {"sequence_encoder": {"convolution": {"filters": 8, "width": 31}}}
    (found,) = problems({"accessibility": {"windows_bp": 30}, "models": {"own": convolution}})
    assert found == (
        "model own: sequence_encoder.convolution.width: found 31, expected at most accessibility.windows_bp, 30: no "
        "filter would lie within a region"
    )
