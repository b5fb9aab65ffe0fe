"""Parts that do not belong to one run are refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from datacard_inputs import SETTINGS, make_run

from genebert.errors import InputError
from genebert.files import read_json, write_json
from genebert.genome.sequences import RegionSequences
from genebert.report.card import compute as dc


def change(run, tmp_path, part, name, edit):
    """Return the inputs of a run with one JSON file of one part changed."""
    folder = tmp_path / part
    folder.mkdir()
    for path in Path(getattr(run, part)).iterdir():
        (folder / path.name).symlink_to(path)
    content = read_json(folder / name)
    edit(content)
    (folder / name).unlink()
    write_json(folder / name, content)
    return replace(run, **{part: folder})


@pytest.mark.parametrize(
    ("part", "name", "edit", "sentence"),
    [
        ("accessibility", "summary.json", {"regions": 7}, "summary.json: of 7 regions, but accessible.h5ad has"),
        ("motifs", "motifs.json", {"regions": 7}, "motifs.json: of 7 regions"),
        ("corpus", "corpus.json", {"regions": 7}, "corpus.json: of 7 regions"),
        ("corpus", "corpus.json", {"cell_types": ["x"]}, "corpus.json: cell types x; expected Astrocytes"),
        ("accessibility", "summary.json", {"cell_types": {"x": 0}}, "summary.json: cell types x; expected"),
        ("corpus", "corpus.json", {"accessible_sha256": "0"}, "made from another accessible.h5ad"),
        ("motifs", "motifs.json", {"sha256": {"sequences": "0"}}, "motifs.json: other bases were scanned"),
    ],
)
def test_parts_of_different_runs(made, tmp_path, part, name, edit, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        dc.compute_card(SETTINGS, change(made[0], tmp_path, part, name, lambda content: content.update(edit)))


def test_sequences_of_another_run(made, tmp_path):
    run, _ = made
    sequences = RegionSequences.load(run.sequences)
    offsets = sequences.offsets.copy()
    RegionSequences(sequences.codes[: offsets[-2]], offsets[:-1], "toy").save(tmp_path / "fewer")
    with pytest.raises(InputError, match=f"the region sequences: of {len(offsets) - 2} regions"):
        dc.compute_card(SETTINGS, replace(run, sequences=tmp_path / "fewer"))
    offsets[1] += 1
    RegionSequences(sequences.codes, offsets, "toy").save(tmp_path / "shifted")
    with pytest.raises(InputError, match=r"lengths differ from those in accessible\.h5ad"):
        dc.compute_card(SETTINGS, replace(run, sequences=tmp_path / "shifted"))


def test_cropped_motifs_must_be_said_to_be_cropped(tmp_path):
    run = make_run(tmp_path, "bed", 3, motif_region_bp=51)
    with pytest.raises(InputError, match=r"with motifs\.region_bp None"):
        dc.compute_card(SETTINGS, run)
    card = dc.compute_card(SETTINGS, replace(run, motif_region_bp=51))
    assert card["motifs"]["region_bp"] == 51


def test_a_missing_input(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.bed: cannot be read .*; expected the input file blacklist"):
        dc.hash_inputs({"blacklist": tmp_path / "nowhere.bed"})
