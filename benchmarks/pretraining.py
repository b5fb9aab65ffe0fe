"""Speed of pre-training beside a plain Hugging Face loop, in one run.

    PYTHONPATH=src python benchmarks/pretraining.py [--device cuda] [--layers 4 --hidden 256] [--lengths 512 5120]

"plain" is what a user would write first: k-mer strings looked up in a dictionary, BertForPreTraining with eager
attention in float32, vocabulary logits at every position, torch's AdamW. "ours" is one step of the loop of `genebert`.
Each line is compared with the plain loop of the same work: the same network, samples of ten regions, share of masked
k-mers, losses (masked k-mers and segment pairs), clipping, and dropout, that of the attention too, which costs a CPU
more than all the rest. Matching regions is work that the plain loop does not do, so that line has no ratio. What
differs is told by the run.

The two are measured in turns; the fastest stretch of each counts. Further lines: the share of the device's measured
matrix-product rate, the input pipeline alone, growth with sequence length and batch, on a GPU the memory, with and
without torch.compile, and with --headline one step of the model that config/config.yaml sets (GPUs only: it takes
hours on a CPU).

On one GPU:
    PYTHONPATH=src python benchmarks/pretraining.py --device cuda --layers 12 --hidden 768 --batch 32 \\
        --lengths 512 5120 --batches 128 --compile --headline
"""

import argparse
import math
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining

from genebert.corpus.groups import Groups
from genebert.corpus.masks import SPAN_OFFSETS
from genebert.corpus.order import SampleOrder
from genebert.genome.bases import decode
from genebert.genome.kmers import CLS, MASK, SEP, SPECIALS, UNK, kmer_sentence, vocabulary
from genebert.genome.sequences import RegionSequences
from genebert.models.devices import autocast
from genebert.settings.load import load_yaml, merge
from genebert.settings.models import LossSettings, ModelSettings, RegionEncoderSettings, SequenceEncoderSettings
from genebert.settings.training import TrainingSettings
from genebert.training.meter import matrix_rate
from genebert.training.objectives.genebert import Data, GeneBERTObjective
from genebert.training.optimiser import make_adamw

TARGET = 4.0
CONFIG = Path(__file__).resolve().parents[1] / "config/config.yaml"
ENCODERS = ("sequence_encoder", "region_encoder")
DIFFERS = (
    "ours alone has bfloat16 where the processor has it (but for the line float32), fused attention where there is a "
    "kernel for it, logits at masked k-mers only, k-mers looked up in arrays"
)
K, REGIONS, N_TFS, N = 6, 10, 579, 400
TRAINING = TrainingSettings(
    steps=1, batch=2, micro_batch=None, learning_rate=1e-4, warmup_fraction=0.1, decay_horizon=1.67, betas=(0.9, 0.98),
    epsilon=1e-6, weight_decay=0.01, clip=1.0, mask_rate=0.15, late_mask_rate=0.15, late_mask_from=1.0, strands="given",
    precision="auto", compile=False, checkpoint_activations=False, checkpoint_every=1, log_every=1, validate_every=1,
    validation_batches=1,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Sizes of one comparison."""

    layers: int
    hidden: int
    tokens: int
    batch: int
    device: torch.device
    attention_dropout: float = 0.1


def make_data(tokens: int, uneven: bool = False) -> tuple[RegionSequences, np.ndarray, Groups]:
    """Return random regions, ten of which make `tokens` tokens (`uneven`: 80 to 100 %), motif rows and groups."""
    rng = np.random.default_rng(0)
    length = (tokens - 3) // REGIONS + K - 1
    lengths = rng.integers(0.8 * length, length, N) if uneven else np.full(N, length)
    offsets = np.append(0, lengths.cumsum())
    motifs = rng.normal(size=(N, N_TFS)).astype(np.float16)
    rows = np.arange(N - N % REGIONS, dtype=np.int32).reshape(-1, REGIONS)
    one = np.zeros(len(rows))
    groups = Groups(rows, one.astype(np.int16), one.astype(np.int32), one.astype(np.uint8))
    return RegionSequences(rng.integers(0, 4, offsets[-1]).astype(np.uint8), offsets, "random"), motifs, groups


class Plain:
    """The loop that a user would write first."""

    def __init__(self, case: Case, data):
        self.case, (self.sequences, _, groups) = case, data
        self.order = SampleOrder(groups, case.batch, 1)
        self.ids = {token: i for i, token in enumerate(vocabulary(K))}
        config = BertConfig(
            vocab_size=len(self.ids), hidden_size=case.hidden, num_hidden_layers=case.layers,
            num_attention_heads=max(1, case.hidden // 64), intermediate_size=4 * case.hidden,
            max_position_embeddings=case.tokens, attention_probs_dropout_prob=case.attention_dropout,
        )  # fmt: skip
        config._attn_implementation = "eager"
        self.model = BertForPreTraining(config).to(case.device).train()
        self.optimiser = torch.optim.AdamW(self.model.parameters(), 1e-4)
        self.random = random.Random(1)
        self.step = 0

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        draw = self.order.draw(self.step)
        self.step += 1
        all_ids, all_segments, all_labels = [], [], []
        for regions in draw.regions:
            ids, segments = [CLS], [0]
            for half in (0, 1):
                for region in regions[half * 5 : half * 5 + 5]:
                    words = kmer_sentence(decode(np.asarray(self.sequences[region])), K).split()
                    ids += [self.ids.get(word, UNK) for word in words]
                    segments += [half] * len(words)
                ids.append(SEP)
                segments.append(half)
            labels = [-100] * len(ids)
            for centre in range(len(ids)):
                if ids[centre] >= len(SPECIALS) and self.random.random() < 0.15 / K:
                    for place in (centre + offset for offset in SPAN_OFFSETS[K]):
                        if 0 <= place < len(ids) and ids[place] >= len(SPECIALS) and labels[place] == -100:
                            labels[place] = ids[place]
            for place, label in enumerate(labels):
                if label != -100:
                    fate = self.random.random()
                    ids[place] = MASK if fate < 0.8 else self.random.randrange(len(self.ids)) if fate >= 0.9 else label
            all_ids.append(ids)
            all_segments.append(segments)
            all_labels.append(labels)
        return *map(torch.tensor, (all_ids, all_segments, all_labels)), torch.from_numpy(draw.label)

    def __call__(self) -> None:
        ids, segments, labels, pairs = (tensor.to(self.case.device) for tensor in self.batch())
        out = self.model(input_ids=ids, token_type_ids=segments, labels=labels, next_sentence_label=pairs)
        self.optimiser.zero_grad()
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        out.loss.item()


class Ours:
    """One step of the loop."""

    def __init__(self, case: Case, data, *, encoder: str = "", compiled: bool = False, precision: str = "auto"):
        """Build the network; with the name of a region encoder it matches regions as well."""
        heads = max(1, case.hidden // 64)
        settings = ModelSettings(
            K,
            "concatenated",
            SequenceEncoderSettings(
                case.layers, case.hidden, heads, 4 * case.hidden, 0.1, case.attention_dropout, case.tokens, None
            ),
            RegionEncoderSettings(encoder or "swin-t-224", "fold", None),
            LossSettings(True, True, "infonce" if encoder else None, 0.5, 0.07, "cls", True),
        )
        training = replace(TRAINING, batch=case.batch, precision=precision, compile=compiled)
        self.build(case, data, settings, training)

    def build(self, case: Case, data, settings: ModelSettings, training: TrainingSettings) -> None:
        """Make the objective and its optimiser."""
        self.case = case
        self.objective = GeneBERTObjective(settings, training, Data(*data, REGIONS, {}), 1, device=case.device)
        self.model = self.objective.model.train()
        self.optimiser = make_adamw(self.model, TrainingSettings(learning_rate=1e-4))
        self.step = 0

    def input(self):
        self.step += 1
        return self.objective.draw(self.step - 1)

    def __call__(self) -> None:
        share = self.input()
        self.optimiser.zero_grad(set_to_none=True)
        self.objective.compute(share, self.step)
        float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0))
        self.optimiser.step()

    def lengths(self) -> list[int]:
        """Return the tokens of a batch's samples; those of other batches are as long on average."""
        return self.objective.draw(0).lengths.tolist()

    def flops(self) -> float:
        return self.objective.flops(self.lengths())[0]


class Headline(Ours):
    """One step of the model that the configuration sets, from random weights; its samples differ in length."""

    def __init__(self, device: torch.device):
        model = load_yaml(CONFIG)["model"]
        training = TrainingSettings(**model.pop("training"))
        settings = ModelSettings.from_dict(merge(model, {part: {"weights": None} for part in ENCODERS}))
        bert = settings.sequence_encoder
        case = Case(bert.layers, bert.hidden, bert.max_tokens, training.batch, device, bert.attention_dropout)
        self.build(case, make_data(case.tokens, uneven=True), settings, training)
        self.steps = training.steps


def fastest(jobs: Collection[Callable], repeats: int, seconds: float) -> dict[Callable, float]:
    """Return the seconds of one call of each job, inf without the memory: all in turns, the best of some stretches."""
    best = {}
    for job in jobs:
        try:
            job()  # warm-up, compilation
            began = time.perf_counter()
            job()
            best[job] = time.perf_counter() - began
        except torch.OutOfMemoryError:
            best[job] = math.inf
    for _ in range(repeats):
        for job in (job for job in jobs if best[job] < math.inf):
            calls, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                job()
                calls += 1
            best[job] = min(best[job], (time.perf_counter() - began) / calls)
    return best


def memory_of(job: Callable, device: torch.device) -> str:
    """Return what one call takes on a GPU beyond what stays: weights and the optimiser's moments."""
    if device.type != "cuda":
        return ""
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    job()
    return f"{(torch.cuda.max_memory_allocated(device) - before) / 1e9:.1f} GB"


def compare(case: Case, rate: float, arguments: argparse.Namespace) -> None:
    """Print tokens a second of both loops, their ratio at equal work, and the same of the input pipeline alone."""
    data, without = make_data(case.tokens), replace(case, attention_dropout=0.0)
    plain, plain_without = Plain(case, data), Plain(without, data)
    jobs = {  # name: job, the plain loop of the same work
        "plain": (plain, plain),
        "ours": (Ours(case, data), plain),
        "ours, float32": (Ours(case, data, precision="float32"), plain),
        "plain, no attention dropout": (plain_without, plain_without),
        "ours, no attention dropout": (Ours(without, data), plain_without),
        f"ours, with {arguments.encoder} and matching": (Ours(case, data, encoder=arguments.encoder), None),
    }
    if arguments.compile:
        jobs["ours, compiled"] = (Ours(case, data, compiled=True), plain)
    times = fastest([job for job, _ in jobs.values()], arguments.repeats, arguments.seconds)
    tokens = case.tokens * case.batch
    print(
        f"\n{case.layers} layers x {case.hidden}, batch {case.batch} x {case.tokens} tokens; target: {TARGET} x plain\n"
        f"differs: {DIFFERS}"
    )
    memory = f"{'memory of a step':>18}" if case.device.type == "cuda" else ""
    print(f"{'':<40}{'tokens/s':>12}{'x plain':>9}{'of matrix rate':>16}{memory}")
    for name, (job, same) in jobs.items():
        if times[job] == math.inf:
            print(f"{name:<40}{'out of memory':>12}", flush=True)
            continue
        ratio = f"{times[same] / times[job]:9.2f}" if same and times[same] < math.inf else f"{'-':>9}"
        share = f"{100 * job.flops() / times[job] / rate:15.1f}%" if isinstance(job, Ours) else f"{'':16}"
        line = f"{name:<40}{tokens / times[job]:12,.0f}{ratio}{share}{memory_of(job, case.device):>18}"
        print(line.rstrip(), flush=True)
    ours = jobs["ours"][0]
    pipeline = fastest([plain.batch, ours.input], arguments.repeats, min(1.0, arguments.seconds))
    print("\ninput pipeline alone: tokens/s, share of its own step")
    for name, job, seconds in zip(("plain", "ours"), (plain, ours), pipeline.values(), strict=True):
        print(f"{name:<40}{tokens / seconds:14,.0f}{100 * seconds / times[job]:8.2f}%")


def growth(case: Case, rate: float, arguments: argparse.Namespace) -> None:
    """Print the speed of our loop at other lengths, with as many tokens a batch, and other batches."""
    tokens = case.tokens * case.batch
    print("\ngrowth of ours (no matching): tokens/s, share of the matrix rate")
    sizes = [(length, max(1, tokens // length), False) for length in arguments.lengths]
    sizes += [(case.tokens, batch, False) for batch in arguments.batches if batch != case.batch]
    sizes += [(length, max(1, tokens // length), True) for length in arguments.lengths]
    for length, batch, uneven in sizes:
        job = Ours(replace(case, tokens=length, batch=batch), make_data(length, uneven))
        (seconds,) = fastest([job], 1, arguments.seconds).values()
        if seconds == math.inf:
            print(f"  {batch:4d} x {length:5d} tokens out of memory", flush=True)
            continue
        print(
            f"  {batch:4d} x {length:5d} tokens {sum(job.lengths()) / seconds:12,.0f}"
            f"{100 * job.flops() / seconds / rate:8.1f}%{', samples of 80 to 100 % of that' if uneven else ''}",
            flush=True,
        )


def headline(device: torch.device, rate: float, seconds: float) -> None:
    """Print what a step of the configured model takes, and all of them."""
    job = Headline(device)
    (took,) = fastest([job], 1, seconds).values()
    case = job.case
    tokens = sum(job.lengths())
    print(f"\n{CONFIG.name}: batch {case.batch} x {tokens / case.batch:,.0f} tokens (mean), all losses, random weights")
    if took == math.inf:
        print("out of memory")
        return
    print(
        f"{took:.2f} s a step, {tokens / took:,.0f} tokens/s, "
        f"{100 * job.flops() / took / rate:.1f}% of the matrix rate, {memory_of(job, device)} beside weights and "
        f"moments; {took * job.steps / 86400:.1f} days for {job.steps:,} steps"
    )


SMALLEST = {"layers": 1, "hidden": 64, "encoder": "region-transformer", "batch": 2, "lengths": [64], "batches": [3],
            "repeats": 1, "seconds": 0.01}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--encoder", default="swin-t-224", help="of regions")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2560, 5120])
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each stretch")
    parser.add_argument("--compile", action="store_true", help="also measure with torch.compile")
    parser.add_argument("--headline", action="store_true", help="also one step of the configured model")
    parser.add_argument("--smallest", action="store_true", help="seconds instead of minutes; the figures say nothing")
    arguments = parser.parse_args()
    if arguments.smallest:
        vars(arguments).update(SMALLEST)
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    rate = matrix_rate(device, "auto")
    with autocast("auto", device):
        kind = (torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).dtype
    print(f"{device}, {arguments.threads} threads; matrix products reach {rate / 1e12:.3g} TFLOP/s in {kind}")
    case = Case(arguments.layers, arguments.hidden, arguments.lengths[0], arguments.batch, device)
    compare(case, rate, arguments)
    growth(case, rate, arguments)
    if arguments.headline:
        headline(device, rate, arguments.seconds)


if __name__ == "__main__":
    main()
