"""Table 3: people with and without a disease."""

from table_inputs import metrics, render, score, shown, write_score

SET = "disease/HSCR-RET"
COHORT = {
    "people": 936, "cases": 443, "controls": 493, "folds": 5, "simulated": True, "sex_known": 936, "windows": 3,
    "bases": 6000, "sites": 41, "windows_all_alike": 0, "haplotypes": {"min": 4, "median": 9, "max": 12},
    "snps": ["rs2435357"], "snps_found": {"rs2435357": {"cases": 0.881, "controls": 0.467}},
}  # fmt: skip


def risk_score(model: str, auc: float, **cohort) -> dict:
    measured = metrics(auc, 936, 443) | {"n_folds": 5, "roc_auc_folds": [auc] * 5, "permutation_p": 0.001}
    return score(model, 0, auc, SET, metrics=measured, data_set={"cohort": COHORT | cohort}, n_train=561)


def table(tmp_path, root, **cohort):
    models = {"one-snp": 0.80, "genebert": 0.71}
    scores = [write_score(tmp_path, risk_score(model, auc, **cohort)) for model, auc in models.items()]
    return render(tmp_path, root / "config/paper/table3.tsv", scores, {SET: list(models)}, 3)


def test_people_folds_and_permutations_stand_in_the_table(tmp_path, root):
    (main, further), text, csv = table(tmp_path, root)
    assert shown(main, "AUC", "Paper") == ["-", "0.562"] or shown(main, "AUC", "Paper")[:2] == ["-", "0.562"]
    assert shown(main, "AUC", "Ours")[:2] == ["0.800", "0.710"]
    assert shown(main, "Remark")[:2] == ["simulated", "simulated"]
    assert shown(further, "Permutation p") == ["0.001", "0.001"]
    assert shown(further, "Cases") == ["443", "443"] and shown(further, "Controls") == ["493", "493"]
    assert shown(further, "Folds") == ["5", "5"]
    ours = csv.set_index("model")
    assert ours.loc["one-snp", "n_cases"] == 443 and ours.loc["genebert", "fold_auc_low"] < 0.71
    for words in (
        "disease/HSCR-RET (simulated): 443 cases, 493 controls, 41 variants in 3 regions, 6,000 bases;",
        "frequency of the alternative rs2435357 0.88 in cases, 0.47 in controls",
        "says nothing about patients", "a nearly constant classifier", "mean over folds",
    ):  # fmt: skip
        assert words in text["md"]


def test_real_people_are_not_called_simulated(tmp_path, root):
    (main, _), text, _ = table(tmp_path, root, simulated=False, snps_found={})
    assert "simulated" not in shown(main, "Remark")[0] and "says nothing about patients" not in text["md"]
    assert "frequency of the alternative" not in text["md"]


def test_the_papers_values_are_those_of_a_nearly_constant_classifier():
    """184 people, 87 cases, of whom 3 are called, and nobody else: the note's own numbers."""
    import numpy as np

    from genebert.evaluation.metrics import threshold_metrics

    label = np.arange(184) < 87
    found = threshold_metrics(label, (np.arange(184) < 3).astype(float), 0.5)
    assert (round(found["precision"], 3), round(found["recall"], 3)) == (0.768, 0.517)
