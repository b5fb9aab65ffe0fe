"""Readers of matrices, genotypes, weights and overlays that `fuzz.py` tries; see `fuzz_text.py`."""

import contextlib
import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fuzz_mutations as m
import h5py
import numpy as np
import scipy.io
import scipy.sparse as sp
import yaml
from accessibility_inputs import (
    CELLS,
    CHROMOSOMES,
    COUNTS,
    TYPES,
    MatrixInputs,
    h5ad_inputs,
    make_genome,
    mtx_inputs,
    rds_inputs,
    rds_matrix,
    settings_of,
    seurat_inputs,
    strings,
)
from fuzz_text import ANY_TEXT, ROOT, TBI, VCF, Files, Reader, all_lines, folder_files, placed, whole
from hypothesis import strategies as st
from rds2py.lib_rds_parser import write_rds

# Matrices: the whole stage, so that what it writes is seen too.


def matrix_seeds(make: Callable[[Path], MatrixInputs], *more: Callable[[Path], Any]) -> Callable[[], list[Files]]:
    def both(folder: Path, one: Callable[[Path], Any]) -> None:
        make_genome(folder)
        (folder / "source.fa").unlink()
        one(folder)

    return lambda: [folder_files(partial(both, one=one)) for one in (make, *more)]


def build(folder: Path, out: Path, format: str, name: str | None, **files: str) -> Any:
    from genebert.accessibility.build import build_accessibility

    paths = {key: folder / value for key, value in files.items()}
    inputs = MatrixInputs(format, folder / name, **paths)
    settings = settings_of(inputs, max_n_fraction=0.1)
    summary = build_accessibility(settings, folder / "genome.fa", "toy", CHROMOSOMES, out)
    with h5py.File(out / "pseudobulk.h5ad", "r") as file:
        counts = [file[f"X/{part}"][()].tolist() for part in ("data", "indices", "indptr")]
    return [summary["cell_types"], summary["cells_without_type"], counts]


def real_mtx(folder: Path) -> None:
    mtx_inputs(folder, field="real")


def dense_h5ad(folder: Path) -> None:
    h5ad_inputs(folder, x=COUNTS.T)


BROKEN = (gzip.BadGzipFile, EOFError, zlib.error, RuntimeError, ValueError, TypeError)


def r_payload(draw: m.Draw, data: bytes) -> bytes:
    """Change the bytes inside the gzip of an RDS file."""
    with contextlib.suppress(*BROKEN):  # by an earlier change
        return gzip.compress(draw(st.sampled_from(m.BYTES[:-1]))(draw, gzip.decompress(data)), 1, mtime=0)
    return data


def seurat() -> dict:
    """Return a Seurat object, its types as a factor in another order than the cells of its matrix."""
    names = list(reversed(CELLS))
    codes = np.array([-(2**31) if kind == "NA" else "ABC".index(kind) + 1 for kind in reversed(TYPES)], dtype=np.int32)
    factor = {"type": "integer", "data": codes,
              "attributes": {"levels": strings("ABC"), "class": strings(["factor"])}}  # fmt: skip
    frame = {"type": "vector", "data": [np.arange(9.0), factor],
             "attributes": {"names": strings(["depth", "cell_type"]), "class": strings(["data.frame"]),
                            "row.names": strings(names)}}  # fmt: skip
    kept = {"type": "S4", "class_name": "Assay", "package_name": "SeuratObject", "attributes": {"counts": rds_matrix()}}
    assays = {"type": "vector", "data": [kept], "attributes": {"names": strings(["peaks"])}}
    slots = {"assays": assays, "meta.data": frame}
    return {"type": "S4", "class_name": "Seurat", "package_name": "SeuratObject", "attributes": slots}


def r_object(draw: m.Draw, data: bytes) -> bytes:
    """Write another RDS file, of an object with one part changed; which object, its bytes tell."""
    with contextlib.suppress(*BROKEN):
        node = m.odd_r_object(draw, seurat() if b"assays" in gzip.decompress(data) else rds_matrix())
        with tempfile.TemporaryDirectory() as folder:
            write_rds(node, str(Path(folder) / "x.RDS"))
            return (Path(folder) / "x.RDS").read_bytes()
    return data


R_CHANGES = (r_object, r_object, r_object, r_payload, r_payload, *m.BYTES)


# Genotypes.

VARIANTS = (
    '##fileformat=VCFv4.2\n##contig=<ID=10,length=135534747>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tC1\tC2\tK1\tK2\n"
    "10\t100\t.\tA\tG\t.\t.\t.\tGT\t0|0\t0|1\t0/1\t./.\n10\t43582056\t.\tC\tA,T\t.\t.\t.\tGT\t0|1\t1\t.\t0/2\n"
    "10\t43600000\trs1\tA\tG\t.\tPASS\t.\tGT\t0|0\t0|1\t0/1\t./.\n"
)


def index_vcf(folder: Path) -> None:
    """Compress and index ``plain.vcf``; what cannot be indexed gets no index, as with `tabix`."""
    import pysam

    verbosity = pysam.set_verbosity(0)
    try:
        (folder / VCF).parent.mkdir(exist_ok=True)
        pysam.tabix_compress(str(folder / "plain.vcf"), str(folder / VCF), force=True)
        with contextlib.suppress(OSError, ValueError, pysam.SamtoolsError):
            pysam.tabix_index(str(folder / VCF), preset="vcf", force=True)
    finally:
        pysam.set_verbosity(verbosity)
        (folder / "plain.vcf").unlink()


def vcf_seed() -> list[Files]:
    def make(folder: Path) -> None:
        (folder / "plain.vcf").write_text(VARIANTS)
        index_vcf(folder)

    return [folder_files(make)]


def read_vcf(folder: Path, out: Path) -> list[dict]:
    return [placed(folder, out, VCF), placed(folder, out, TBI)]


def people_seed(*, packed: bool) -> list[Files]:
    """Genotypes of every kind on a genome of their own."""
    from variant_inputs import SEQUENCE, line, vcf_text
    from variant_inputs import make_genome as make_one

    def make(folder: Path) -> None:
        make_one(folder, SEQUENCE)
        lines = [
            line(3, "A", "G,<DEL>", "0|1", "1", ".|."),
            line(8, "G", "GT,T", "1|2:5", "0|0:.", "2|2:7", form="GT:DP"),
            line(15, "ACG", "A", "0|1", "1/1", "0|0", passed="PASS"),
            line(16, "CG", "TT", "0|1", "0|1", "0|0"),
        ]
        (folder / "plain.vcf").write_text(vcf_text(lines))
        if packed:
            index_vcf(folder)

    return [folder_files(make)]


def read_people(folder: Path, out: Path) -> list:
    from genome_inputs import regions_of

    from genebert.genome.fasta import Genome
    from genebert.genome.haplotypes import haplotypes
    from genebert.genome.variants import read_genotypes
    from genebert.settings.variants import VariantSettings

    genome = Genome(folder / "genome.fa")
    settings = VariantSettings(max_missing=1)
    found = read_genotypes(folder / VCF, regions_of([("chr1", 2, 60)]), genome, settings=settings)
    made = haplotypes(found, ("chr1", 2, 60), genome)
    return [found.sites.to_numpy().tolist(), made.index.tolist(), [one.tolist() for one in made.sequences]]


# Weights and configuration.


def weights_seeds() -> list[Files]:
    import torch
    from finetune_inputs import make_folder

    def pickled(folder: Path) -> None:
        from safetensors.torch import load_file

        make_folder(folder, head="BertForMaskedLM", positions=16)
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()

    return [folder_files(lambda folder: make_folder(folder, positions=16)), folder_files(pickled)]


def read_weights(folder: Path, out: Path) -> list[float]:
    from transformers import BertForPreTraining

    from genebert.models.bert import bert_config, initialise
    from genebert.settings.models import SequenceEncoderSettings

    encoder = BertForPreTraining(bert_config(3, SequenceEncoderSettings(2, 32, 2, 64, 0.1, 0.1, 16, weights=None)))
    initialise(encoder, str(folder), 3)
    return [round(float(tensor.double().sum()), 6) for tensor in encoder.bert.encoder.state_dict().values()]


def weights_change(draw: m.Draw, data: bytes) -> bytes:
    """Change a file of the folder by its kind, which its first bytes tell."""
    if data[:1] == b"{":
        changes = (m.odd_json, m.odd_json, *ANY_TEXT)
    elif data[8:9] == b"{":
        changes = (m.odd_safetensors, m.odd_safetensors, *m.BYTES)
    else:
        changes = m.BYTES if data[:2] == b"PK" else ANY_TEXT
    return draw(st.sampled_from(changes))(draw, data)


WEIGHTS = ("config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt")
TENSORS = ("weights.safetensors", "weights.pth")


def image_seeds() -> list[Files]:
    import torch
    from safetensors.torch import save_file

    state = {"patch.weight": torch.arange(6.0).reshape(2, 3), "norm.bias": torch.ones(3)}

    def both(folder: Path) -> None:
        save_file(state, folder / TENSORS[0])
        torch.save({"model": state, "epoch": 3}, folder / TENSORS[1])

    return [folder_files(both)]


def read_image_weights(folder: Path, out: Path) -> None:
    from genebert.models.weights import check_tensors, read_tensors

    both = [read_tensors(folder / name) for name in TENSORS]
    check_tensors(folder / TENSORS[0], *both)


def overlay_seeds() -> list[Files]:
    return [{"x.yaml": (ROOT / "config" / name).read_bytes()} for name in ("demo.yaml", "chr20.yaml")]


def odd_overlay(draw: m.Draw, data: bytes) -> bytes:
    """One key of the whole configuration with an odd value."""
    whole = m.odd_value(draw, yaml.safe_load((ROOT / "config/config.yaml").read_bytes()))
    old = yaml.safe_load((ROOT / "config/config.yaml").read_bytes())
    changed = {key: value for key, value in whole.items() if value != old.get(key)} if isinstance(whole, dict) else 1
    return yaml.safe_dump(changed).encode()


def read_overlay(folder: Path, out: Path) -> str:
    from genebert.run.run import read_run

    return json.dumps(read_run(ROOT / "config", [folder / "x.yaml"]).config, default=str)


MTX = {"name": "m.mtx", "peaks": "peaks.txt", "cells": "cells.tsv"}
READ_MTX = partial(build, format="mtx", **MTX)
mtx_seeds = matrix_seeds(mtx_inputs, real_mtx)


def rewritten_mtx(folder: Path) -> Any:
    """Return what the stage makes of the same counts written anew, where all entries are plain whole numbers."""
    _, *lines = all_lines(folder / "m.mtx") or [""]
    rows = [line.split() for line in lines if not line.startswith("%")]
    if not rows or any(len(row) != 3 or not all(map(whole, row)) for row in rows):
        return None
    counts = np.zeros(COUNTS.shape, dtype=int)
    for peak, cell, count in (map(int, row) for row in rows[1:]):
        if not (0 < peak <= len(counts) and 0 < cell <= counts.shape[1]):
            return None
        counts[peak - 1, cell - 1] += count
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(folder, name, dirs_exist_ok=True)
        scipy.io.mmwrite(Path(name) / "m.mtx", sp.coo_array(counts), field="integer", symmetry="general")
        return READ_MTX(Path(name), Path(name) / "out")


BINARY_READERS = (
    Reader("mtx", mtx_seeds, ("m.mtx",), READ_MTX, expected=rewritten_mtx),
    Reader("peaks of mtx", mtx_seeds, ("peaks.txt",), READ_MTX),
    Reader("cells", mtx_seeds, ("cells.tsv",), READ_MTX),
    Reader("h5ad", matrix_seeds(h5ad_inputs, dense_h5ad), ("m.h5ad",), partial(build, format="h5ad", name="m.h5ad"),
           (m.odd_hdf5, m.odd_hdf5, m.odd_hdf5, *m.BYTES), same=(), gzip=False),
    Reader("dgcmatrix", matrix_seeds(rds_inputs), ("m.RDS",),
           partial(build, format="dgcmatrix", name="m.RDS", cells="cells.tsv"), R_CHANGES, same=()),
    Reader("seurat", matrix_seeds(seurat_inputs), ("s.RDS",), partial(build, format="seurat", name="s.RDS"),
           R_CHANGES, same=()),
    Reader("vcf", lambda: [{"plain.vcf": VARIANTS.encode()}], ("plain.vcf",), read_vcf, same=(), gzip=False,
           prepare=index_vcf),
    Reader("bgzip and index", vcf_seed, (VCF, TBI), read_vcf, m.BYTES, same=(), gzip=False),
    Reader("genotypes", partial(people_seed, packed=False), ("plain.vcf",), read_people, same=(), gzip=False,
           prepare=index_vcf),
    Reader("packed genotypes", partial(people_seed, packed=True), (VCF, TBI), read_people, m.BYTES, same=(),
           gzip=False),
    Reader("weights", weights_seeds, WEIGHTS, read_weights, (weights_change,), same=(), gzip=False),
    Reader("image weights", image_seeds, TENSORS, read_image_weights, (weights_change,), same=(), gzip=False),
    Reader("overlay", overlay_seeds, ("x.yaml",), read_overlay, (odd_overlay, odd_overlay, *ANY_TEXT), gzip=False,
           lines=200),
)  # fmt: skip
