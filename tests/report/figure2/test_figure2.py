"""Figure 2: its controls on corpora made for them, its files, and what it says of too little."""

import json
import logging
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score

from genebert.corpus.drawn import Drawn, Embeddings
from genebert.errors import InputError
from genebert.genome.sequences import RegionSequences
from genebert.report.figure2.numbers import (
    Counting,
    controls,
    kmer_counts,
    numbers_of,
    overlap,
    shared_neighbours,
    shared_share,
)
from genebert.report.figure2.panels import COLOURS, in_the_plane, signs_of
from genebert.report.figure2.write import Figure2Inputs, write_figure2
from genebert.report.text import ReportSettings
from genebert.settings.figure2 import MOST_TYPES, Figure2Settings

COUNTING = Counting(k=5, permutations=199, seed=0)
WIDTH = 10


def random_sequences(n, seed=0):
    generator = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(generator.integers(20, 40, n))])
    return RegionSequences(generator.integers(0, 4, offsets[-1]).astype(np.uint8), offsets, "toy")


def consecutive(held):
    """Samples of ten consecutive regions of each type, which holds some regions (a list of int arrays)."""
    parts = [np.sort(regions)[: len(regions) // WIDTH * WIDTH].reshape(-1, WIDTH) for regions in held]
    types = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Drawn(np.concatenate(parts).astype(np.int32), types.astype(np.int16))


def bag(drawn, regions):
    """Embeddings that know nothing but which regions a sample holds: the sum of a vector for each."""
    return regions[drawn.regions].sum(1)


def plane_of(values):
    """A stand-in for t-SNE where the plane is not what is tested."""
    return {name: value[:, :2] for name, value in values.items()}


def measured(drawn, values, sequences):
    both = {"uni_modal": values, "multi_modal": values}
    return numbers_of(drawn, both, plane_of(both), sequences, COUNTING)


# --------------------------------------------------------------------------------------------------- the controls


def test_clusters_of_shared_regions_alone_are_told_from_cell_types():
    """All types open in nearly the same regions, an embedding of the regions held: clusters are places, not types.

    The neighbours of a sample are then those of other types at its place; purity is below chance, as that of the
    overlap alone, and most neighbours share a region.
    """
    generator = np.random.default_rng(0)
    n, types = 500, 5
    drawn = consecutive([np.flatnonzero(generator.random(n) < 0.9) for _ in range(types)])
    found = measured(drawn, bag(drawn, generator.normal(size=(n, 64))), random_sequences(n))
    purity, alone = found["embedding"]["multi_modal"]["purity"], found["controls"]["shared_regions"]
    assert purity["value"] < purity["low"] and alone["value"] < alone["low"]
    assert purity["value"] == pytest.approx(alone["value"], abs=0.06)
    assert (
        found["shared_neighbours"]["multi_modal"]["value"]
        > 0.8
        > 0.1
        > found["shared_neighbours"]["multi_modal"]["chance"]
    )
    # Of regions of their own the same embedding finds nothing, and the control says that nothing is shared.
    own = consecutive(np.array_split(generator.permutation(n), types))
    found = measured(own, bag(own, generator.normal(size=(n, 64))), random_sequences(n))
    purity = found["embedding"]["multi_modal"]["purity"]
    assert purity["low"] <= purity["value"] <= purity["high"]
    assert found["shared_neighbours"]["multi_modal"] == {"value": 0, "chance": 0}
    assert found["controls"]["shared_share"]["value"] == pytest.approx(purity["chance"], abs=0.02)


def test_clusters_of_how_much_is_shared_are_told_from_cell_types():
    """Regions that all types hold look alike, and two types hold many of them: pure, and the control is as pure."""
    generator = np.random.default_rng(1)
    common = np.arange(100)
    held = [np.concatenate([common, np.arange(100 + 100 * t, 120 + 100 * t)]) for t in range(2)]
    held += [np.arange(300 + 200 * t, 420 + 200 * t) for t in range(2)]
    regions = generator.normal(size=(700, 16)) * 0.3
    regions[common, 0] += 3
    drawn = consecutive(held)
    found = measured(drawn, bag(drawn, regions), random_sequences(700))
    purity, alone = found["embedding"]["uni_modal"]["purity"], found["controls"]["shared_share"]
    assert purity["value"] > purity["high"] and alone["value"] > alone["high"]
    # Without shared regions none of it is left.
    own = consecutive([one[one >= 100] for one in held])
    found = measured(own, bag(own, regions), random_sequences(700))["embedding"]["uni_modal"]["purity"]
    assert found["value"] <= found["high"]


def test_composition_alone_may_separate_types():
    """Regions of one type are rich in G and C: the controls that look at bases say so, those of regions do not."""
    generator = np.random.default_rng(2)
    shares = ([0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1])
    codes = np.concatenate([generator.choice(4, 30 * 200, p=share) for share in shares]).astype(np.uint8)
    sequences = RegionSequences(codes, np.arange(401) * 30, "toy")
    drawn = consecutive([np.arange(200), np.arange(200, 400)])
    found = controls(drawn, sequences, COUNTING)
    for name in ("gc_cpg", "kmers"):
        assert found[name]["value"] > 0.95 > found[name]["high"]
    for name in ("shared_regions", "shared_share"):
        assert found[name]["value"] == pytest.approx(found[name]["chance"], abs=0.02)


def test_what_samples_share_is_counted():
    regions = np.array([[0, 1, 2], [3, 4, 5], [1, 2, 9], [5, 6, 7]])
    drawn = Drawn(regions, np.array([0, 0, 1, 1]))
    assert overlap(drawn).tolist() == [[3, 0, 2, 0], [0, 3, 0, 1], [2, 0, 3, 0], [0, 1, 0, 3]]
    assert shared_share(drawn) == pytest.approx([2 / 3, 1 / 3, 2 / 3, 1 / 3])
    assert shared_share(Drawn(np.array([[0, 1], [1, 0]]), np.array([0, 0]))).tolist() == [0, 0]  # of one type
    space = type("Near", (), {"nearest": np.array([[0, 1, 1, 0], [1, 0, 0, 1], [2, 0, 0, 0], [0, 0, 2, 0]], float)})
    assert shared_neighbours(space, overlap(drawn) > 0) == {"value": 0.5, "chance": pytest.approx(1 / 3)}


def test_kmers_are_counted_within_regions():
    codes = np.array([0, 1, 2, 3, 0, 1, 2, 3, 3, 4, 3, 3, 3, 2, 1], np.uint8)
    sequences = RegionSequences(codes, np.array([0, 4, 6, 11, 15]), "toy")  # ACGT AC GTTNT TTGC
    drawn = Drawn(np.array([[0, 1], [2, 3]]), np.array([0, 1]))
    found = kmer_counts(sequences, drawn, 2)
    number = {a + b: 4 * "ATCG".index(a) + "ATCG".index(b) for a in "ACGT" for b in "ACGT"}
    expected = [{"AC": 2, "CG": 1, "GT": 1}, {"GT": 1, "TT": 2, "TG": 1, "GC": 1}]
    for row, counts in zip(found, expected, strict=True):
        assert {pair: row[i] for pair, i in number.items() if row[i]} == counts


# ----------------------------------------------------------------------------------------------------- the figure

SETTINGS = Figure2Settings(cell_types=4, samples=40, perplexity=8, neighbours=5, permutations=99)
ABOUT = ReportSettings("demo", "toy scale")


def make_inputs(folder, types=3, samples=20, specific=10, seed=0, **changes):
    """Embeddings of two models: the right one with tighter types, of which one has a colon and a space in its name."""
    generator = np.random.default_rng(seed)
    names = np.array([f"type {chr(65 + t)}: x" for t in range(types)] + ["rare"])
    available = np.array([samples] * types + [2])

    def drawn(n):
        labels = np.repeat(np.arange(types), n)
        return Drawn(generator.permutation(1200)[: len(labels) * WIDTH].reshape(-1, WIDTH).astype(np.int32), labels)

    both = {"drawn": drawn(samples), "specific": drawn(specific)}
    centres = generator.normal(size=(types, 12))
    paths = {}
    for panel, apart in (("uni_modal", 0.0), ("multi_modal", 2.0)):
        values = [
            (generator.normal(size=(len(one), 12)) + apart * centres[one.cell_type]).astype(np.float32)
            for one in both.values()
        ]
        paths[panel] = folder / f"{panel}.npz"
        Embeddings(names, available, **both, values=values[0], specific_values=values[1]).save(paths[panel])
    random_sequences(1200).save(folder / "sequences")
    return Figure2Inputs(paths, folder / "sequences", None)


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    from genebert.report import pictures

    folder = tmp_path_factory.mktemp("figure2")
    style = pictures.STYLE
    pictures.STYLE = style | {"svg.fonttype": "none"}  # letters as text
    try:
        write_figure2(make_inputs(folder), SETTINGS, 42, ABOUT, folder / "out")
    finally:
        pictures.STYLE = style
    return folder / "out"


def test_its_files(figure):
    assert sorted(path.name for path in figure.iterdir()) == [
        f"figure2.{form}" for form in ("csv", "json", "png", "svg")
    ]
    points = pd.read_csv(figure / "figure2.csv")
    assert points["samples"].value_counts().to_dict() == {"drawn": 60, "specific": 30}
    assert list(points.columns[-4:]) == ["uni_modal_x", "uni_modal_y", "multi_modal_x", "multi_modal_y"]
    assert points.notna().all(axis=None) and set(points["cell_type"]) == {f"type {letter}: x" for letter in "ABC"}


def test_the_numbers_are_those_of_the_points(figure):
    numbers, points = json.loads((figure / "figure2.json").read_text()), pd.read_csv(figure / "figure2.csv")
    assert numbers["models"] == {"uni_modal": "mgm-ngsp", "multi_modal": "mgm-ngsp-srm"} and numbers["seed"] == 42
    for name in ("drawn", "specific"):
        rows = points[points["samples"] == name]
        for panel in ("uni_modal", "multi_modal"):
            places = rows[[f"{panel}_x", f"{panel}_y"]].to_numpy()
            expected = silhouette_score(places, rows["cell_type"])
            assert numbers[name]["plane"][panel]["silhouette"]["value"] == pytest.approx(expected, abs=1e-4)
        better = numbers[name]["embedding"]["difference"]
        assert better["purity"]["low"] > 0 and better["silhouette"]["low"] > 0 and better["within_between"]["high"] < 0
        assert set(better) == {"purity", "silhouette", "within_between"}
    one, other = (numbers["drawn"]["embedding"][panel]["purity"] for panel in ("uni_modal", "multi_modal"))
    assert one["low"] <= one["value"] <= one["high"] < other["value"]
    assert numbers["left_out"] == {"rare": 2}
    assert numbers["drawn"]["cell_types"] == {f"type {letter}: x": 20 for letter in "ABC"}


def test_the_picture_says_what_the_numbers_are(figure):
    numbers = json.loads((figure / "figure2.json").read_text())
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", (figure / "figure2.svg").read_text())
    spans = re.findall(r"<tspan[^>]*>([^<]*)</tspan>", (figure / "figure2.svg").read_text())
    said = " ".join([*texts, *spans])
    for text in (
        "uni-modal: mgm-ngsp",
        "multi-modal: mgm-ngsp-srm",
        "without regions that cell types share",
        "type B: x",
    ):
        assert text in said, text
    purity = numbers["drawn"]["embedding"]["multi_modal"]["purity"]
    assert f"purity {purity['value']:.2f}, in the plane" in said and f"by chance {purity['low']:.2f} to" in said
    assert f"counts of 4-mers {numbers['drawn']['controls']['kmers']['value']:.2f}" in said
    assert "All 3 cell types with enough samples; 4 were asked for." in said
    assert "Left out, for too few samples: rare (2)." in said and "toy scale" in said


def test_equal_inputs_give_equal_bytes(tmp_path):
    for name in ("one", "other"):
        write_figure2(make_inputs(tmp_path), SETTINGS, 7, ABOUT, tmp_path / name)
    for form in ("csv", "json", "png", "svg"):
        one, other = ((tmp_path / name / f"figure2.{form}").read_bytes() for name in ("one", "other"))
        assert one == other, form


def test_without_samples_of_regions_of_their_own_there_is_one_row(tmp_path, caplog):
    inputs = make_inputs(tmp_path, specific=0)
    with caplog.at_level(logging.WARNING):
        write_figure2(inputs, SETTINGS, 0, ABOUT, tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / "figure2.json").read_text())
    assert numbers["specific"]["samples"] == 0 and "expected at least 2" in numbers["specific"]["unavailable"]
    assert set(pd.read_csv(tmp_path / "out" / "figure2.csv")["samples"]) == {"drawn"}
    assert "figure2.cell_types: found 4, but only 3 have enough samples; all of them are drawn" in caplog.messages
    few = make_inputs(tmp_path, specific=6)
    write_figure2(few, SETTINGS, 0, ABOUT, tmp_path / "out")
    why = json.loads((tmp_path / "out" / "figure2.json").read_text())["specific"]["unavailable"]
    assert why == "18 samples, too few for perplexity 8"


def test_models_of_different_samples_are_not_compared(tmp_path):
    inputs = make_inputs(tmp_path)
    found = Embeddings.load(inputs.embeddings["uni_modal"])
    other = replace(found, drawn=Drawn(found.drawn.regions[::-1], found.drawn.cell_type))
    other.save(inputs.embeddings["uni_modal"])
    with pytest.raises(InputError, match=r"multi_modal\.npz: embeds other samples than .*uni_modal\.npz"):
        write_figure2(inputs, SETTINGS, 0, ABOUT, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_collapsed_model_is_one_sentence(tmp_path):
    inputs = make_inputs(tmp_path)
    found = Embeddings.load(inputs.embeddings["multi_modal"])
    replace(found, values=np.ones_like(found.values)).save(inputs.embeddings["multi_modal"])
    with pytest.raises(InputError, match=r"multi_modal\.npz: found one and the same embedding for 60 samples"):
        write_figure2(inputs, SETTINGS, 0, ABOUT, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_perplexity_is_refused_where_tsne_would_take_a_smaller_one():
    values = np.random.default_rng(0).normal(size=(25, 4))
    assert in_the_plane(values, 8, 0).shape == (25, 2)
    with pytest.raises(InputError, match=r"figure2\.perplexity: found 8\.5 for 25 samples, expected at most 8\.0"):
        in_the_plane(values, 8.5, 0)


def test_each_type_has_a_sign_of_its_own():
    signs = signs_of([str(i) for i in range(MOST_TYPES)])
    assert len(set(signs.values())) == MOST_TYPES
    assert len({colour for colour, _ in list(signs.values())[: len(COLOURS)]}) == len(COLOURS)
