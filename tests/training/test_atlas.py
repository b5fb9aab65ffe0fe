"""The whole way from a simulated matrix to a trained model, through the package alone."""

import json

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from genebert.accessibility.build import build_accessibility, load_regions
from genebert.corpus.groups import TRAIN, group_regions
from genebert.corpus.order import SampleOrder
from genebert.genome.fasta import Genome, prepare_genome
from genebert.genome.sequences import extract_sequences
from genebert.motifs.jaspar import load_jaspar
from genebert.motifs.matrix import build_motif_matrix, load_motif_matrix
from genebert.settings.data import AccessibilitySettings, MotifSettings, SimulationSettings
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings
from genebert.settings.training import TrainingSettings
from genebert.simulate.atlas import simulate
from genebert.simulate.programs import HOUSEKEEPING, PROGRAMS
from genebert.training.loop import pretrain
from genebert.training.objectives.genebert import Data, GeneBERTObjective

CHROMOSOMES = ["chr1", "chr2", "chr3"]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """Sequences, motif matrix and groups of a simulated atlas; only the motifs that it plants are scored."""
    folder = tmp_path_factory.mktemp("atlas")
    motifs = load_jaspar()
    lengths = dict.fromkeys(CHROMOSOMES, 1_200_000)
    settings = SimulationSettings(chromosomes=lengths, mostly_n=(), n_regions=4000, n_promoters=500, n_genes=0)
    simulate(settings, motifs, folder)
    fasta = folder / "genome.fa"
    prepare_genome(folder / "genome.fa.gz", fasta, "toy", CHROMOSOMES)
    files = {
        name: str(folder / file)
        for name, file in (("matrix", "matrix.mtx.gz"), ("peaks", "peaks.bed"), ("cells", "cells.tsv"))
    }
    build_accessibility(AccessibilitySettings(format="mtx", **files), fasta, "toy", CHROMOSOMES, folder)
    accessible = folder / "accessible.h5ad"
    regions = load_regions(accessible)
    sequences = extract_sequences(Genome(fasta), regions, "toy", "atlas").crop(51)
    planted = {name for names in PROGRAMS.values() for name in names} | set(HOUSEKEEPING)
    scored = [motif for motif in motifs if motif.name in planted]
    build_motif_matrix(sequences, scored, MotifSettings(), folder / "motifs", 1)
    data = anndata.read_h5ad(accessible)
    groups, _ = group_regions(sp.csr_matrix(data.X), regions, list(data.obs_names), 10, (), 0.1)
    return sequences, load_motif_matrix(folder / "motifs"), groups


def test_training_lowers_all_three_losses(atlas, tmp_path):
    sequences, motifs, groups = atlas
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = ModelSettings(
        3,
        "windows",
        SequenceEncoderSettings(1, 48, 1, 96, 0.0, 0.0, 512, weights=None),
        RegionEncoderSettings("region-transformer", "fold", None, {"layers": 1, "hidden": 48, "heads": 4}),
        LossSettings(True, True, "infonce", 0.5, 0.07, "regions", True),
    )
    training = TrainingSettings(
        steps=80, batch=24, micro_batch=None, learning_rate=5e-3, warmup_fraction=0.1, decay_horizon=1.67,
        betas=(0.9, 0.98), epsilon=1e-6, weight_decay=0.01, clip=1.0, mask_rate=0.15, late_mask_rate=0.15,
        late_mask_from=1.0, strands="given", precision="auto", compile=False, checkpoint_activations=False,
        checkpoint_every=1000, log_every=16, validate_every=80, validation_batches=8,
    )  # fmt: skip
    try:
        objective = GeneBERTObjective(model, training, Data(sequences, motifs, groups, 10, {}), 1)
        pretrain(objective, training, 1, tmp_path / "ck", tmp_path / "model")
    finally:
        torch.set_num_threads(threads)
    lines = [json.loads(line) for line in (tmp_path / "model/metrics.jsonl").read_text().splitlines()]
    first, last = lines[0], lines[-1]
    # what a model that knows base frequencies only would reach
    codes = np.bincount(sequences.codes, minlength=5)[:4] / len(sequences.codes)
    unigram = -3 * (codes * np.log(codes)).sum()
    assert last["mgm"] < first["mgm"]
    assert last["valid_mgm"] < unigram
    assert last["ngsp"] < np.log(2) - 0.01 < first["ngsp"]
    assert last["srm"] < first["srm"] / 2
    assert last["valid_srm_accuracy"] > 0.9  # chance: 1/24


def test_halves_of_a_group_resemble_each_other(atlas):
    """Segment prediction has something to learn: base composition of halves differs less within a group."""
    sequences, _, groups = atlas
    gc = np.array([np.isin(sequences[i], (1, 2)).mean() for i in range(len(sequences))])
    train = groups.subset(TRAIN)
    draw = SampleOrder(train, len(train), 0).draw(0)
    difference = np.abs(gc[draw.regions[:, :5]].mean(1) - gc[draw.regions[:, 5:]].mean(1))
    assert difference[draw.label == 1].mean() > 1.2 * difference[draw.label == 0].mean()
