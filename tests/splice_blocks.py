"""Genes with planted splice sites, methods for them, and Keras files, for the tests of methods on splice sites."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score

from genebert.evaluation.examples import Examples
from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.genome.bases import N_CODE, decode, encode
from genebert.methods.registry import find_method
from genebert.models.spliceai import SpliceNet

DONOR = "CAGGTAAGT"  # three bases of the exon, six of the intron
ACCEPTOR = "TTTCTTTCCTTTTCTTGCAGGTC"  # twenty bases of the intron, three of the exon
BLOCK = 100


def make(name: str = "spliceai-80", **options):
    """Return a method for classes of bases."""
    return find_method(name)(BaseClasses({}), options, {}, {})


@dataclass(frozen=True, eq=False)
class GeneBlocks(Examples):
    """Blocks of genes that are given as letters, which stand for a genome; strand +."""

    genes: dict[str, str] = field(default_factory=dict)

    def codes(self, rows=slice(None), flank: int = 0):
        here = self.table.iloc[np.arange(len(self))[rows]]
        found = np.full((len(here), BLOCK + 2 * flank), N_CODE, np.uint8)
        for into, gene, start in zip(found, here["gene"], here["start"], strict=True):
            bases = encode(self.genes[gene])
            first, last = max(0, start - flank), min(len(bases), start + BLOCK + flank)
            into[first - start + flank : last - start + flank] = bases[first:last]
        return found, np.full(len(here), found.shape[1])


def make_gene(rng: np.random.Generator, exons: int = 3) -> tuple[str, np.ndarray]:
    """Return a gene of some exons, a decoy GT and AG in each intron, and the label of each base."""
    letters, label = "", []
    for exon in range(exons):
        if exon:
            letters += ACCEPTOR[:-3]
            label += [0] * 20
        body = decode(rng.integers(0, 4, rng.integers(30, 50)).astype(np.uint8))
        body = (ACCEPTOR[-3:] if exon else "") + body + (DONOR[:3] if exon < exons - 1 else "")
        classes = np.zeros(len(body), np.int8)
        classes[0] = int(exon > 0)
        classes[-1] = 2 * (exon < exons - 1)
        letters, label = letters + body, [*label, *classes]
        if exon < exons - 1:
            inner = decode(rng.integers(0, 4, rng.integers(40, 80)).astype(np.uint8))
            letters += DONOR[3:] + inner + "GTCAG"
            label += [0] * (6 + len(inner) + 5)
    return letters, np.array(label, np.int8)


def gene_blocks(n: int, seed: int, name: str = "examples") -> GeneBlocks:
    """Return the blocks of `n` genes; the last one of a gene is filled up with bases that are not evaluated."""
    rng, rows, genes = np.random.default_rng(seed), [], {}
    for number in range(n):
        gene = f"gene{number}"
        genes[gene], label = make_gene(rng)
        padded = np.full(-(-len(label) // BLOCK) * BLOCK, -1, np.int8)
        padded[: len(label)] = label
        rows += [
            {"gene": gene, "chrom": "chr1", "start": start, "end": start + BLOCK, "strand": "+",
             "inside_start": 0, "inside_end": len(label), "label": padded[start : start + BLOCK]}
            for start in range(0, len(padded), BLOCK)
        ]  # fmt: skip
    return GeneBlocks(pd.DataFrame(rows), name, genes=genes)


def gene_sets(n: int = 60) -> dict[str, GeneBlocks]:
    """Return training, validation and test genes."""
    sizes = {"train": n, "valid": max(4, n // 3), "test": max(4, n // 3)}
    return {name: gene_blocks(size, seed, name) for seed, (name, size) in enumerate(sizes.items())}


def average_precision(examples: Examples, scores: np.ndarray) -> float:
    """Return the mean average precision of acceptors and donors."""
    at = examples.labels >= 0
    of = (average_precision_score(examples.labels[at] == one, scores[at][:, one]) for one in (1, 2))
    return float(np.mean(list(of)))


def write_keras(path: Path, network: SpliceNet) -> None:
    """Write a network as Keras does: layers in groups of their names, numbered in the order of making."""
    layers, count = [], {"conv1d": 0, "batch_normalization": 0}

    def add(kind: str, tensors: dict[str, torch.Tensor]) -> None:
        count[kind] += 1
        layers.append((f"{kind}_{count[kind]}", {name: tensor.detach().numpy() for name, tensor in tensors.items()}))

    def convolution(of: torch.nn.Conv2d) -> None:
        add("conv1d", {"kernel": of.weight[:, :, 0].permute(2, 1, 0), "bias": of.bias})

    convolution(network.first)
    convolution(network.skips[0])
    for number, stage in enumerate(network.stages):
        for unit in stage:
            for norm, one in zip(unit.norms, unit.convolutions, strict=True):
                names = {"gamma": norm.weight, "beta": norm.bias}
                add(
                    "batch_normalization",
                    names | {"moving_mean": norm.running_mean, "moving_variance": norm.running_var},
                )
                convolution(one)
        convolution(network.skips[number + 1])
    convolution(network.last)
    with h5py.File(path, "w") as file:
        for name, tensors in layers:
            for key, tensor in tensors.items():
                file[f"model_weights/{name}/{name}/{key}:0"] = tensor
        file.create_group("model_weights/activation_1")
