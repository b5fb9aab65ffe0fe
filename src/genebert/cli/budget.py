"""What a configuration costs before anything runs: operations, GPU-hours and disk of one model or of many."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from genebert.corpus.build import Places, cropped_share
from genebert.errors import InputError
from genebert.files import read_json
from genebert.models.flops import parameters, step_flops
from genebert.motifs.matrix import KINDS
from genebert.paper import PAPER, PAPER_SEQUENCES
from genebert.report.text import NOTHING, text_table
from genebert.run.run import Run
from genebert.settings.models import ModelSettings
from genebert.settings.sentences import suggest
from genebert.training.checkpoint import KEPT

# Dense bf16 peak rates with float32 sums, from NVIDIA's data sheets (half of what those print "with sparsity").
PEAK_FLOPS = {"A100": 312e12, "H100": 989e12, "H200": 989e12}
H200_MEASURED = 730e12  # large matrix products: 728, 739 and 790 were measured
JASPAR_2018 = 579  # TFs of the vertebrate CORE collection (docs/facts.md 2)
FLOAT32 = 4
# A checkpoint holds the parameters and both moments of AdamW.
CHECKPOINT_COPIES = 3
# Of groups.npz: rows of regions (int32), cell type (int16), block (int32), split (uint8).
BYTES_PER_GROUP = (4, 2 + 4 + 1)


@dataclass(frozen=True)
class Data:
    """The samples that models are pre-trained on, and where these figures come from."""

    samples: int  # for training; one pass over them is an epoch
    bases_per_sample: int  # median, whole regions
    regions_per_sample: int
    tfs: int
    bytes: int  # sequences, motif matrix and groups
    source: str
    corpus: dict | None = None  # corpus.json, where the run has one


def describe_data(config: dict, results: str | Path) -> Data:
    """Return the samples in a run's folder if its corpus has the config's settings, else those of the paper."""
    folder, settings = Path(results), config["corpus"]
    size, path = settings["regions_per_sample"], folder / "corpus" / "corpus.json"
    info, source = read_json(path) if path.exists() else None, str(path)
    keys = ("regions_per_sample", "holdout_chromosomes", "validation_fraction")
    if info is None or any(info[key] != settings[key] for key in keys):
        why = f"{path} {'does not exist yet' if info is None else 'was made with other settings'}"
        source = f"the paper, at most ({PAPER_SEQUENCES / 1e6:.0f} M region-type pairs / {size}), as {why}"
        regions, bases = PAPER["regions"], PAPER["base_pairs"]
        info = {"groups": PAPER_SEQUENCES // size, "validation_groups": 0, "regions": regions, "bases": bases,
                "median_bases_per_sample": bases * size // regions}  # fmt: skip
    motifs = folder / "motifs" / "motifs.json"
    tfs = read_json(motifs)["motifs"] if motifs.exists() else JASPAR_2018
    matrix = info["regions"] * tfs * KINDS[config["motifs"]["matrix"]]().itemsize
    sequences = info["bases"] + 8 * (info["regions"] + 1)
    per_region, rest = BYTES_PER_GROUP
    groups = (info["groups"] + info["validation_groups"]) * (per_region * size + rest)
    known = info if "shown_bases_per_sample" in info else None
    return Data(info["groups"], info["median_bases_per_sample"], size, tfs, sequences + matrix + groups, source, known)


def row_lengths(model: dict, data: Data, region_bp: int | None) -> list[int]:
    """Return the tokens of each row of a sample of median length: one row, or with ``layout: windows`` one a region."""
    n, k, limit = data.regions_per_sample, model["k"], model["sequence_encoder"]["max_tokens"]
    bases = data.bases_per_sample if region_bp is None else min(data.bases_per_sample, n * region_bp)
    kmers = bases - n * (k - 1)  # none crosses a region border
    if model["layout"] == "windows":
        return [min(round(kmers / n) + 2, limit)] * n
    return [min(kmers + 3, limit)]


def price(model: dict, data: Data, region_bp: int | None, processes: int, utilisation: float) -> dict:
    """Price one model, without validation and fine-tuning: both are small beside pre-training at the paper's scale.

    Parameters
    ----------
    model : dict
        From :meth:`genebert.run.models.Models.resolve`.
    data : Data
    region_bp : int or None
        To which regions are cropped.
    processes : int
        Sharing out a batch; it is cut into pieces only where a share is larger than `micro_batch`.
    utilisation : float
        Share of the peak rate at which the operations run, those of recomputed passes included.

    Returns
    -------
    dict
        sequence_encoder, region_encoder, heads (parameters); tokens_per_sample; cropped_samples (share of them that
        does not fit the positions; None where neither the crop nor a corpus tells); tokens_per_step; steps; epochs;
        flops, recomputed (operations of the training, and the part of them that only saves memory); gpu_hours (GPU to
        hours); model_bytes, checkpoint_bytes (while the model trains).
    """
    settings, training = ModelSettings.from_dict(model), model["training"]
    steps, batch, micro_batch = training["steps"], training["batch"], training["micro_batch"]
    rows = row_lengths(model, data, region_bp)
    early = training["late_mask_from"]
    step = step_flops(
        settings,
        rows * batch,
        data.tfs,
        data.regions_per_sample,
        rate=early * training["mask_rate"] + (1 - early) * training["late_mask_rate"],
        cached=micro_batch is not None and micro_batch < batch // processes,
        checkpoint_activations=training["checkpoint_activations"],
    )
    size = parameters(settings, data.tfs, data.regions_per_sample)
    flops = steps * step.total
    places = Places(model["k"], model["sequence_encoder"]["max_tokens"], model["layout"])
    if region_bp is not None and not places.cropped(np.full((1, data.regions_per_sample), region_bp)).any():
        cropped = 0.0  # whatever the lengths of regions are
    else:
        cropped = None if data.corpus is None else cropped_share(data.corpus, places)
    return {
        **size._asdict(),
        "tokens_per_sample": sum(rows),
        "cropped_samples": cropped,
        "tokens_per_step": sum(rows) * batch,
        "steps": steps,
        "epochs": steps * batch / data.samples,
        "flops": flops,
        "recomputed": steps * step.recomputed,
        "gpu_hours": {gpu: flops / (peak * utilisation) / 3600 for gpu, peak in PEAK_FLOPS.items()},
        "model_bytes": FLOAT32 * sum(size),
        "checkpoint_bytes": KEPT * CHECKPOINT_COPIES * FLOAT32 * sum(size) if steps else 0,
    }


def make_budget(run: Run, names: Sequence[str], utilisation: float) -> dict:
    """Return the prices of some models, those with equal settings once, and their sum.

    Returns
    -------
    dict
        run, scale, utilisation, peak_flops, data (see :class:`Data`), models (a list: model, the names with equal
        settings, then :func:`price`), sum.

    Raises
    ------
    InputError
        Unknown model, or utilisation out of range.
    """
    if not 0 < utilisation <= 1:
        raise InputError(f"--utilisation: found {utilisation:g}, expected a share above 0 and at most 1")
    known, config, canonical = run.models.names, run.config, run.models.canonical
    for name in names:
        if name not in known:
            raise InputError(f"--model: unknown model {name}; {suggest(name, known)}")
    data, resources = describe_data(config, run.results), run.resources.of("pretrain")
    processes, region_bp = resources["processes"] * resources["nodes"], config["corpus"]["region_bp"]
    models = []
    for first in dict.fromkeys(canonical[name] for name in names):
        name = next(name for name in names if canonical[name] == first)
        same = [other for other in known if canonical[other] == first and other != name]
        costs = price(run.models.resolved[first], data, region_bp, processes, utilisation)
        models.append({"model": name, "same": same, **costs})
    return {
        "run": config["run"],
        "scale": config["scale"],
        "utilisation": utilisation,
        "peak_flops": PEAK_FLOPS,
        "data": {key: value for key, value in asdict(data).items() if key != "corpus"},
        "models": models,
        "sum": {
            "models": len(models),
            "steps": sum(one["steps"] for one in models),
            "flops": sum(one["flops"] for one in models),
            "recomputed": sum(one["recomputed"] for one in models),
            "gpu_hours": {gpu: sum(one["gpu_hours"][gpu] for one in models) for gpu in PEAK_FLOPS},
            "model_bytes": sum(one["model_bytes"] for one in models),
            "checkpoint_bytes": sum(one["checkpoint_bytes"] for one in models),
            "data_bytes": data.bytes,
        },
    }


def _amount(value: float) -> str:
    """Return a number as people read it: 1,234 or 0.12."""
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _size(n_bytes: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return NOTHING if n_bytes == 0 else f"{n_bytes / 1e3:.0f} kB"


def _millions(n: int) -> str:
    return f"{n / 1e6:.3g} M" if n else NOTHING


def render(budget: dict) -> str:
    """Return a budget as text: what it assumes, one line a model, and the sum."""
    rows = [[
        "model", "sequence enc.", "region enc.", "heads", "tokens/sample", "tokens/step", "steps", "epochs", "FLOPs",
        *(f"{gpu} h" for gpu in budget["peak_flops"]), "model", "checkpoints",
    ]]  # fmt: skip
    for one in budget["models"]:
        cost = [_amount(one["epochs"]), f"{one['flops']:.2e}", *map(_amount, one["gpu_hours"].values())]
        rows.append([
            one["model"], *(_millions(one[key]) for key in ("sequence_encoder", "region_encoder", "heads")),
            *(f"{one[key]:,}" for key in ("tokens_per_sample", "tokens_per_step", "steps")),
            *(cost if one["steps"] else [NOTHING] * len(cost)),
            _size(one["model_bytes"]), _size(one["checkpoint_bytes"]),
        ])  # fmt: skip
    total = budget["sum"]
    rows.append([
        f"sum of {total['models']}", *[""] * 5, f"{total['steps']:,}", "", f"{total['flops']:.2e}",
        *map(_amount, total["gpu_hours"].values()), _size(total["model_bytes"]), _size(total["checkpoint_bytes"]),
    ])  # fmt: skip
    *table, last = text_table(rows, "l" + "r" * (len(rows[0]) - 1))
    data, share = budget["data"], budget["utilisation"]
    peaks = ", ".join(f"{gpu} {peak / 1e12:.0f}" for gpu, peak in budget["peak_flops"].items())
    notes = [
        f"run {budget['run']} ({budget['scale']})",
        f"samples: {data['samples']:,} of {data['bases_per_sample']:,} bases and {data['tfs']} TFs; from "
        f"{data['source']}",
        f"data: {_size(data['bytes'])} (sequences, motif matrix, groups)",
        f"GPU-hours at {share:.0%} of the dense bf16 peak ({peaks} TFLOP/s); an H200 measures about "
        f"{H200_MEASURED / 1e12:.0f} TFLOP/s, of which that is {share * PEAK_FLOPS['H200'] / H200_MEASURED:.0%}",
    ]
    if total["recomputed"]:
        notes.append(
            f"FLOPs: {total['recomputed'] / total['flops']:.0%} are forward passes computed again to save memory "
            "(micro_batch, checkpointed activations)"
        )
    notes += [
        f"{one['model']}: {one['cropped_samples']:.1%} of the samples are longer than its positions and are cropped, "
        "their motif rows are not"
        for one in budget["models"]
        if one["steps"] and one["cropped_samples"]
    ]
    trained = [one["cropped_samples"] for one in budget["models"] if one["steps"]]
    if trained and all(share == 0 for share in trained):
        notes.append("cropped samples: none is longer than the positions of these models")
    notes += [
        f"{one['model']}: also {', '.join(one['same'])}, with equal settings, trained once"
        for one in budget["models"]
        if one["same"]
    ]
    return "\n".join([*notes, "", *table, "-" * max(map(len, table)), last])
