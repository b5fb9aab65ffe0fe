"""Speed of SpliceAI's networks beside the original's way of computing them, of a BERT over windows, of simple models.

    PYTHONPATH=src python benchmarks/splicing.py [--device cuda] [--contexts 80 400 2000 10000]

Of SpliceAI's networks "plain" is the original's way in torch: one-dimensional convolutions that are filled up with
zeros to keep the length, and a crop at the end, in float32. "ours" is `genebert.models.spliceai`, with bfloat16 where
the processor has it; "ours, float32" differs from "plain" by the computation alone. All have the same weights and give
the same numbers.
A step of training is forward, cross entropy, backward and Adam; scoring is forward alone. Bases are those of the blocks
(5,000 each), or of the cores of windows: their context is work, but not counted. The variants are measured in turns;
the fastest stretch of each counts. Simple models are fitted to random labels: how many bases they score a second does
not depend on what they have learned, but for the number of trees, which is told.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import BertModel

from genebert.evaluation.kinds.base_classes import BaseClasses
from genebert.methods.classifier import Classifier
from genebert.methods.layouts import Layout, make_layout
from genebert.methods.splice_sites import TREES, WindowModel
from genebert.methods.windows import core_states
from genebert.models.attention import ATTENTION
from genebert.models.bert import bert_config
from genebert.models.devices import autocast, choose_device
from genebert.models.spliceai import CONTEXTS, SpliceNet, count_weights
from genebert.models.tokens import tokens_of
from genebert.settings.models import SequenceEncoderSettings

BLOCK = 5000
WINDOW = 81
# Simple models see fewer bases, as they are slow to fit.
FITTED = 20_000


class Plain(nn.Module):
    """The original's way, with the weights of one of our networks."""

    def __init__(self, network: SpliceNet):
        super().__init__()
        self.network = network

    def convolve(self, of: nn.Conv2d, values: torch.Tensor) -> torch.Tensor:
        return functional.conv1d(values, of.weight[:, :, 0], of.bias, dilation=of.dilation[1], padding="same")

    def normalise(self, of: nn.BatchNorm2d, values: torch.Tensor) -> torch.Tensor:
        kept = of.running_mean, of.running_var, of.weight, of.bias
        return functional.batch_norm(values, *kept, self.training, of.momentum, of.eps)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        ours = self.network
        values = self.convolve(ours.first, ours.one_hot[codes.int()].transpose(1, 2))
        total = self.convolve(ours.skips[0], values)
        for stage, skip in zip(ours.stages, ours.skips[1:], strict=True):
            for unit in stage:
                changed = values
                for norm, convolution in zip(unit.norms, unit.convolutions, strict=True):
                    changed = self.convolve(convolution, functional.relu(self.normalise(norm, changed)))
                values = values + changed
            total = total + self.convolve(skip, values)
        half = ours.context // 2
        return self.convolve(ours.last, total[..., half:-half]).transpose(1, 2)


class Variant:
    """A way to compute a network: a step of training, and scoring."""

    def __init__(self, network: SpliceNet, precision: str, blocks: int, plain: bool = False):
        self.module = Plain(network) if plain else network
        self.place, self.precision = network.one_hot.device, precision
        self.optimiser = torch.optim.Adam(network.parameters(), lr=1e-6)
        codes = np.random.default_rng(0).integers(0, 4, (blocks, BLOCK + network.context)).astype(np.uint8)
        self.inputs = (torch.from_numpy(codes).to(self.place),)
        self.labels = torch.zeros(blocks * BLOCK, dtype=torch.long, device=self.place)

    def outputs(self) -> torch.Tensor:
        with autocast(self.precision, self.place):
            return self.module(*self.inputs)

    def finish(self) -> None:
        if self.place.type == "cuda":
            torch.cuda.synchronize(self.place)

    def train(self) -> None:
        self.module.train()
        loss = functional.cross_entropy(self.outputs().flatten(0, 1), self.labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.finish()

    def score(self) -> None:
        self.module.eval()
        with torch.inference_mode():
            self.outputs()
        self.finish()


def fastest(jobs: dict[str, Callable], repeats: int, seconds: float) -> dict[str, float]:
    """Return the seconds of one call of each job: all in turns, the best of some stretches."""
    best = {}
    for name, job in jobs.items():
        job()  # warm-up
        began = time.perf_counter()
        job()
        best[name] = time.perf_counter() - began
    for _ in range(repeats):
        for name, job in jobs.items():
            calls, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                job()
                calls += 1
            best[name] = min(best[name], (time.perf_counter() - began) / max(1, calls))
    return best


def networks(context: int, arguments: argparse.Namespace) -> None:
    """Print bases a second of training and scoring of a network."""
    torch.manual_seed(0)
    network = SpliceNet(context).to(choose_device(arguments.device), memory_format=torch.channels_last)
    blocks = arguments.blocks
    variants = {
        "plain": Variant(network, "float32", blocks, plain=True),
        "ours": Variant(network, "auto", blocks),
        "ours, float32": Variant(network, "float32", blocks),
    }
    print(f"\nSpliceAI, context {context:,}: {count_weights(network):,} weights, {blocks} blocks at once")
    print(f"{'':<24}{'training':>14}{'x plain':>9}{'scoring':>14}{'x plain':>9}")
    trained = fastest({name: one.train for name, one in variants.items()}, arguments.repeats, arguments.seconds)
    scored = fastest({name: one.score for name, one in variants.items()}, arguments.repeats, arguments.seconds)
    for name in variants:
        line = f"{name:<24}"
        for took in (trained, scored):
            line += f"{blocks * BLOCK / took[name]:14,.0f}{took['plain'] / took[name]:9.2f}"
        print(line, flush=True)


class TaggerVariant:
    """A step of training, and scoring, of a BERT over windows."""

    def __init__(self, layout: Layout, settings: SequenceEncoderSettings, k: int, device: str):
        self.place = choose_device(device)
        bert = BertModel(bert_config(k, settings), add_pooling_layer=False)
        bert.set_attn_implementation(ATTENTION)
        reading = partial(core_states, kind=BaseClasses({}), k=k, layout=layout)
        width = settings.hidden * (1 + (layout.pieces > 1))
        self.module = Classifier(bert, reading, 3, 0.0, width).to(self.place)
        self.optimiser = torch.optim.AdamW(self.module.parameters(), lr=1e-6)
        # As many tokens in all as 32 windows of the encoder's length.
        self.windows = max(1, 32 * settings.max_tokens // (layout.pieces * layout.piece))
        codes = np.random.default_rng(0).integers(0, 4, (self.windows * layout.pieces, layout.piece)).astype(np.uint8)
        self.inputs, self.precision = (torch.from_numpy(tokens_of(codes, k)).long().to(self.place), None), "auto"
        self.bases = self.windows * layout.core
        self.labels = torch.zeros(self.bases, dtype=torch.long, device=self.place)

    outputs = Variant.outputs
    finish = Variant.finish
    train = Variant.train
    score = Variant.score


def taggers(arguments: argparse.Namespace) -> None:
    """Print bases a second of a BERT in windows, for each context."""
    settings = SequenceEncoderSettings(
        layers=arguments.layers, hidden=arguments.hidden, heads=4, intermediate=4 * arguments.hidden, max_tokens=512,
        dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    print(f"\nBERT of {arguments.layers} layers of {arguments.hidden}, 512 positions, 6-mers: bases/s")
    print(f"{'context':<24}{'training':>14}{'scoring':>14}{'read per base scored':>24}")
    for context in arguments.tagger_contexts:
        layout = make_layout(context or None, 512, 6)
        variant = TaggerVariant(layout, settings, 6, arguments.device)
        jobs = {"train": variant.train, "score": variant.score}
        took = fastest(jobs, arguments.repeats, arguments.seconds)
        read = layout.pieces * layout.piece / layout.core
        rates = "".join(f"{variant.bases / took[name]:14,.0f}" for name in jobs)
        print(f"{f'{context:,}' if context else 'as long as it can':<24}{rates}{read:24.2f}", flush=True)


def simple_models(arguments: argparse.Namespace) -> None:
    """Print bases a second of scoring with sums over a window and with trees."""
    from numpy.lib.stride_tricks import sliding_window_view
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (arguments.blocks, BLOCK + WINDOW - 1)).astype(np.uint8)
    model = WindowModel("x", None, {}, rng.normal(size=(WINDOW, 5, 3)).astype(np.float32), np.zeros(3, np.float32))
    n = min(FITTED, 2 * arguments.trees * 100)
    windows = rng.integers(0, 4, (n, WINDOW)).astype(np.uint8)
    settings = {**TREES, "max_iter": arguments.trees, "early_stopping": False}
    settings.pop("n_iter_no_change")
    trees = HistGradientBoostingClassifier(categorical_features=list(range(WINDOW)), **settings)
    trees.fit(windows, rng.integers(0, 3, n))
    seen = sliding_window_view(codes, WINDOW, axis=1).reshape(-1, WINDOW)[:FITTED]
    jobs = {"sums over 81 bases": lambda: model.logits(codes), "trees": lambda: trees.predict_proba(seen)}
    took = fastest(jobs, arguments.repeats, arguments.seconds)
    print("\nsimple models, scoring on a CPU: bases/s")
    print(f"{'sums over 81 bases':<24}{arguments.blocks * BLOCK / took['sums over 81 bases']:14,.0f}")
    print(f"{f'{arguments.trees} x 3 trees':<24}{len(seen) / took['trees']:14,.0f}")


SMALLEST = {"contexts": [80], "blocks": 1, "repeats": 1, "seconds": 0.01, "trees": 2, "layers": 1, "hidden": 16,
            "tagger_contexts": [2000]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--contexts", type=int, nargs="+", default=list(CONTEXTS))
    parser.add_argument("--tagger-contexts", type=int, nargs="+", default=[80, 256, 400, 2000, 0], help="0: own length")
    parser.add_argument("--layers", type=int, default=4, help="of the BERT")
    parser.add_argument("--hidden", type=int, default=256, help="units of the BERT")
    parser.add_argument("--blocks", type=int, default=6, help="at once")
    parser.add_argument("--trees", type=int, default=100, help="rounds of boosting, of three trees each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each stretch")
    parser.add_argument("--smallest", action="store_true", help="seconds instead of minutes; the figures say nothing")
    arguments = parser.parse_args()
    if arguments.smallest:
        vars(arguments).update(SMALLEST)
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads on {arguments.device}; target: at least as fast as plain")
    for context in arguments.contexts:
        networks(context, arguments)
    taggers(arguments)
    simple_models(arguments)


if __name__ == "__main__":
    main()
