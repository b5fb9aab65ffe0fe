"""Small motif sets, and slow references that share no code with the package's scanners."""

from typing import NamedTuple

import MOODS.parsers
import MOODS.scan
import MOODS.tools
import numpy as np
import pandas as pd

from genebert.files import read_json
from genebert.genome.bases import encode
from genebert.genome.sequences import RegionSequences
from genebert.motifs.jaspar import Motif
from genebert.motifs.matrix import build_motif_matrix, load_motif_matrix
from genebert.settings.data import MotifSettings

BACKGROUND = (0.295, 0.205, 0.205, 0.295)


def make_sequences(strings):
    """Regions from DNA strings."""
    codes = np.concatenate([encode(string) for string in strings]) if strings else np.empty(0, np.uint8)
    return RegionSequences(codes, np.cumsum([0, *map(len, strings)]), "test")


def random_motif(rng, width, name, strength=30):
    return Motif(name, f"TF{name}", rng.multinomial(strength, rng.dirichlet([0.3] * 4, width)).T.astype(float))


def consensus_motif(word, name="MX"):
    """A motif whose best word is `word`."""
    return Motif(name, f"TF{name}", np.eye(4)[encode(word)].T * 20)


class Built(NamedTuple):
    """What build_motif_matrix has written."""

    values: np.ndarray
    table: pd.DataFrame
    info: dict


def build(folder, strings, chosen, kind, processes=1, **options):
    """Build a matrix and load it."""
    sequences = strings if isinstance(strings, RegionSequences) else make_sequences(strings)
    build_motif_matrix(sequences, chosen, MotifSettings(matrix=kind, **options), folder, processes)
    numeric = {column: [""] for column in ("threshold", "max_possible", "mean", "sd")}
    table = pd.read_csv(folder / "motifs.tsv", sep="\t", keep_default_na=False, na_values=numeric)
    return Built(load_motif_matrix(folder), table, read_json(folder / "motifs.json"))


def slow_scores(string, log_odds):
    """Score every window of both strands by plain addition: {(position, strand): score}."""
    scores = {}
    width = log_odds.shape[1]
    for position in range(len(string) - width + 1):
        window = string[position : position + width].upper()
        if set(window) <= set("ACGT"):
            flipped = window[::-1].translate(str.maketrans("ACGT", "TGCA"))
            for strand, word in enumerate((window, flipped)):
                scores[position, strand] = sum(log_odds["ACGT".index(base), i] for i, base in enumerate(word))
    return scores


def slow_log_odds(counts, background, pseudocount):
    column = counts + pseudocount * np.array(background)[:, None]
    return np.log(column / column.sum(axis=0)) - np.log(np.array(background))[:, None]


def slow_descartes_backgrounds(strings):
    """Background of every region by the atlas authors' recipe, in plain Python; None for all-N regions."""
    counts = [{base: string.upper().count(base) for base in "ACGT"} for string in strings]
    gc = [(c["G"] + c["C"]) / sum(c.values()) if sum(c.values()) else None for c in counts]
    observed = sorted(value for value in gc if value is not None)
    edges = sorted({observed[int(np.floor(q / 100 * (len(observed) - 1) + 1e-9))] for q in range(0, 101, 4)})
    bins = []
    for value in gc:
        inside = [i for i in range(len(edges) - 1) if value is not None and edges[i] <= value < edges[i + 1]]
        bins.append(None if value is None else (inside[0] if inside else max(len(edges) - 2, 0)))
    backgrounds = {}
    for number in {b for b in bins if b is not None}:
        total = {base: 1 + sum(c[base] for c, b in zip(counts, bins, strict=True) if b == number) for base in "ACGT"}
        everything = sum(total.values())
        at, cg = (total["A"] + total["T"]) / 2 / everything, (total["C"] + total["G"]) / 2 / everything
        backgrounds[number] = (at, cg, cg, at)
    return [backgrounds.get(b) for b in bins]


def slow_matrix(strings, chosen, kind, background, p_value=1e-4, pseudocount=1.0):
    """Region x motif matrix window by window; NaN in `doubt` marks cells with a score at the threshold."""
    values, doubt = np.zeros((len(strings), len(chosen))), np.zeros((len(strings), len(chosen)), dtype=bool)
    backgrounds = slow_descartes_backgrounds(strings) if kind == "descartes" else [background] * len(strings)
    for row, (string, own) in enumerate(zip(strings, backgrounds, strict=True)):
        for column, motif in enumerate(chosen):
            if own is None:
                continue
            counts = motif.counts / motif.counts.sum(axis=0) if kind == "descartes" else motif.counts
            log_odds = slow_log_odds(counts, own, pseudocount)
            found = np.array(list(slow_scores(string, log_odds).values()))
            if kind == "max_score":
                values[row, column] = found.max() if len(found) else np.nan
                continue
            threshold = MOODS.tools.threshold_from_p(log_odds.tolist(), list(own), p_value)
            number = (found >= threshold).sum()
            values[row, column] = number if kind == "counts" else number > 0
            doubt[row, column] = (np.abs(found - threshold) < 1e-9).any()
    return values, doubt


def both_strand_background(strings):
    text = "".join(strings).upper()
    at, cg = text.count("A") + text.count("T"), text.count("C") + text.count("G")
    return tuple(np.array([at, cg, cg, at]) / (2 * (at + cg)))


def raw_moods_hits(strings, chosen, background, p_value, pwm_folder):
    """Scan region by region with MOODS and its file parser alone: {(region, motif, strand, position): score}."""
    matrices = []
    for motif in chosen:
        path = pwm_folder / "one.pfm"
        path.write_text("\n".join(" ".join(map(str, row)) for row in motif.counts) + "\n")
        matrices.append(MOODS.parsers.pfm_to_log_odds(str(path), list(background), 1.0))
    hits = {}
    for number, log_odds in enumerate(matrices):
        threshold = MOODS.tools.threshold_from_p(log_odds, list(background), p_value)
        both = [log_odds, MOODS.tools.reverse_complement(log_odds)]
        scanner = MOODS.scan.Scanner(min(7, len(log_odds[0])))
        scanner.set_motifs(both, list(background), [threshold] * 2)
        for region, string in enumerate(strings):
            for strand, found in enumerate(scanner.scan(string)):
                for hit in found:
                    hits[region, number, strand, hit.pos] = hit.score
    return hits
