"""Tables 5, 7 and 8: rows that are one fit, what differs between rows, samples and parameters."""

import pandas as pd
import pytest
from table_inputs import render, score, shown, write_score

from genebert.errors import InputError
from genebert.paper import number_of
from genebert.report.tables.ablations import caption_of, counterparts, difference_notes
from genebert.report.tables.paper import read_paper
from genebert.report.tables.values import collect

PROMOTERS = "promoter/prom-core"


def record(steps=100, batch=16, matrix="max_score", image="fold", parameters=27_500_000, **losses):
    """Return the part of a model's record that tables of ablations read."""
    losses = {"mgm": True, "ngsp": True, "srm": "infonce", "srm_weight": 0.5} | losses
    trained = bool(steps)
    return {
        "settings": {
            "k": 3, "losses": losses, "region_encoder": {"name": "swin-t-224", "image": image, "arguments": {"a": 1}},
        },
        "initial_weights": {}, "training": {"steps": steps, "batch": batch, "log_every": 20},
        "data": ({"matrix": matrix} if trained else {}) | {"results/demo/corpus/groups.npz": "hash"},
        "samples_seen": steps * batch,
        "parameters": {"sequence_encoder": 1000} | ({"region_encoder": parameters} if trained else {}),
    }  # fmt: skip


def files(folder, **models):
    """Write two seeds of each model, name to its record."""
    made = [
        score(name.replace("_", "-"), seed, 0.7 + seed / 10, model_record=one)
        for name, one in models.items()
        for seed in (0, 1)
    ]
    return [write_score(folder, one) for one in made]


@pytest.fixture
def table8(root):
    return root / "config/paper/table8.tsv"


def test_number_of():
    assert number_of("table5") == (5, False) and number_of("table8_extended") == (8, True)


def test_rows_that_are_one_fit_share_its_score_files(tmp_path):
    paths = files(tmp_path, genebert=record(), dnabert=record())
    rows = {PROMOTERS: {"batch-16": ["genebert"], "lambda-0.5": ["genebert"], "dnabert": ["dnabert"]}}
    found = collect(paths, rows)
    assert set(found) == {(PROMOTERS, name) for name in rows[PROMOTERS]}
    assert found[PROMOTERS, "batch-16"] == found[PROMOTERS, "lambda-0.5"]
    assert [one["seed"] for one in found[PROMOTERS, "batch-16"]] == [0, 1]
    with pytest.raises(InputError, match="scores genebert on promoter/prom-core, which is not among the rows"):
        collect(paths, {PROMOTERS: ["batch-16", "dnabert"]})
    with pytest.raises(InputError, match="no score file of mgm on promoter/prom-core"):
        collect(paths, {PROMOTERS: rows[PROMOTERS] | {"mgm": ["mgm"]}})


def test_table8(tmp_path, table8):
    """Samples seen, which differ for equal steps; rows that were trained once; settings that differ."""
    paths = files(tmp_path, genebert=record(), batch_32=record(batch=32), lambda_1=record(srm_weight=1.0))
    names = {"batch-16": ["genebert"], "batch-32": ["batch-32"], "lambda-0.5": ["genebert"], "lambda-1": ["lambda-1"]}
    blocks, texts, values = render(tmp_path, table8, paths, {PROMOTERS: names}, 8)
    main = blocks[0]
    assert main.title == (
        "Table 8. Batch size and weight of the matching loss (region x TF matrix: max_score; as an image: fold)"
    )
    seen = dict(zip(shown(main, "Model"), shown(main, "Samples seen"), strict=True))
    assert seen["batch-16"] == seen["lambda-0.5"] == "1,600" and seen["batch-32"] == "3,200"
    assert seen["batch-512"] == "-" and "not part of this run" in shown(main, "Remark")
    assert (
        "Trained and fine-tuned once, where settings are equal: batch-16, lambda-0.5 under the name genebert."
        in main.notes
    )
    assert (
        "Most rows have losses.srm_weight 0.5, training.batch 16. Others: batch-32: training.batch 32; lambda-1: "
        "losses.srm_weight 1.0." in main.notes
    )
    by_model = values.set_index("model")
    assert by_model.loc["batch-16", "auc_mean"] == pytest.approx(0.75) == by_model.loc["lambda-0.5", "auc_mean"]
    assert by_model.loc["lambda-0.5", "auc_paper"] == 0.894 and by_model.loc["batch-16", "auc_paper"] == 0.733
    assert 'id="table8-main"' in texts["html"]


def test_table7_shows_the_parameters_of_region_encoders(tmp_path, root):
    paths = files(tmp_path, swin_t_224=record(), vit_b_384=record(parameters=86_100, image="resize"))
    blocks, _, values = render(
        tmp_path, root / "config/paper/table7.tsv", paths, {PROMOTERS: ["swin-t-224", "vit-b-384"]}, 7
    )
    assert "as an image: fold or resize" in blocks[0].title
    parameters = dict(zip(values["model"], values["parameters"], strict=True))
    assert parameters["swin-t-224"] == "27.5 M" and parameters["vit-b-384"] == "86 k"


def test_other_tables_say_nothing_of_it(tmp_path, root):
    paths = files(tmp_path, genebert=record(), dnabert=record(matrix="binary"))
    scores = collect(paths, {PROMOTERS: ["genebert", "dnabert"]})
    assert caption_of(1, scores) == "" and difference_notes(1, scores) == []
    assert caption_of(5, {}) == "" and difference_notes(5, {}) == []
    assert caption_of(5, scores).startswith(" (region x TF matrix: max_score or binary; ")


def test_an_untrained_model_differs_in_its_losses_only(tmp_path):
    bare = record(0, mgm=False, ngsp=False, srm=None, image="resize")
    paths = files(tmp_path, mgm=record(srm=None), mgm_ngsp=record(srm=None), genebert=record(), none=bare)
    scores = collect(paths, {PROMOTERS: ["none", "mgm", "mgm-ngsp", "genebert"]})
    (note,) = difference_notes(5, scores)
    assert "none: losses.mgm false, losses.ngsp false, training.steps 0" in note and "image" not in note
    assert "region_encoder.image" not in note and "groups.npz" not in note and "log_every" not in note


def test_extended_tables_have_the_papers_values_beside_rows_of_ours_alone(table8):
    """The paper does not say whether its batches had equal steps or equal samples."""
    paper = read_paper(table8)
    assert counterparts(paper, {PROMOTERS: ["batch-16"]}, extended=False) is paper
    found = counterparts(paper, {PROMOTERS: ["batch-16-equal", "batch-512-equal", "mgm"]}, extended=True)
    assert found["our_model"].tolist() == ["batch-16-equal", "batch-512-equal"]
    assert found["auc"].tolist() == [0.733, 0.908]


def test_an_extended_table(tmp_path, table8):
    paths = files(tmp_path, batch_16_equal=record(), mgm=record())
    blocks, texts, values = render(tmp_path, table8, paths, {PROMOTERS: ["batch-16-equal", "mgm"]}, "8_extended")
    assert blocks[0].title.startswith("Table 8, extended. Batch size, for equal samples")
    assert values["model"].tolist() == ["batch-16-equal", "mgm"] and 'id="table8_extended-main"' in texts["html"]
    assert values["auc_paper"].tolist()[0] == 0.733 and pd.isna(values["auc_paper"][1])


def test_an_extended_table_of_another_data_set_has_no_values_of_the_paper(tmp_path, root):
    """Its negatives are others: the paper's values are not beside them."""
    paths = files(tmp_path, genebert=record())
    for path in paths:
        path.write_text(path.read_text().replace('"prom-core"', '"prom-core-genomic"'))
    rows = {"promoter/prom-core-genomic": ["genebert"]}
    blocks, texts, values = render(tmp_path, root / "config/paper/table1.tsv", paths, rows, "1_extended")
    assert blocks[0].title == "Table 1, extended. Promoters against genomic windows of equal GC and CpG content"
    assert values["model"].tolist() == ["genebert"] and pd.isna(values["auc_paper"][0])
    assert 'id="table1_extended-main"' in texts["html"]
