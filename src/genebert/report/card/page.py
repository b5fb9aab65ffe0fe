"""The page of the data card, written from the content of ``card.json``."""

from collections.abc import Collection, Iterable

MAX_PAIRS, MAX_DATA_SETS = 3, 6
TARGETS = {"training": "training", "validation": "validation", "training_shown": "training, middles shown"}


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _percent(share: float | None, digits: int = 1) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def _part(count: int, share: float | None) -> str:
    return "-" if share is None else f"{count:,} ({_percent(share)})"


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]], text: Collection[int] = (0,)) -> list[str]:
    """Return the lines of a Markdown table; columns that are not `text` are numbers, set to the right."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    headings = list(headings)
    rule = ["---" if i in text else "---:" for i in range(len(headings))]
    return [line(headings), line(rule), *map(line, rows), ""]


def _paper_lines(card: dict) -> list[str]:
    text = {
        "cell_types": "Cell types",
        "regions": "Regions",
        "bases_of_regions": "Bases of all regions",
        "mean_region_length": "Mean length of a region",
        "region_cell_type_pairs": '(Region, cell type) pairs, the paper\'s "sequences"',
        "mean_bases_per_sample": "Mean bases of a sample",
    }
    rows = [
        [text[key], *(_number(row[who], int(key == "mean_region_length")) for who in ("run", "paper"))]
        for key, row in card["paper"].items()
    ]
    return _table(["", "This run", "Paper"], rows)


def _steps_lines(card: dict) -> list[str]:
    steps = card["steps"]
    n = {key: _number(value) for key, value in steps.items() if isinstance(value, int)}
    rows = [["input", "-", n["input_regions"], "as read; overlapping BED peaks of all types merged"]]
    if steps["format"] != "bed":
        rows[0][-1] = "as read"
    rows += [[s["step"], _number(s["dropped"]), _number(s["left"]), s["why"]] for s in steps["dropped_regions"]]
    dropped = [f"{name} ({row['cells']} cells, {row['why']})" for name, row in steps["dropped_cell_types"].items()]
    held_out = ", ".join(steps["holdout_chromosomes"]) or "none"
    shown = ""
    if steps["region_bp"] is not None:
        shown = f"; models see only the middle {steps['region_bp']} bp of each region, on average "
        shown += f"{_number(steps['mean_bases_shown_per_sample'], 1)} bases a sample"
    return [
        *_table(["Step", "Regions dropped", "Left", "Why"], rows, text=(0, 3)),
        f"- Cell types dropped: {', '.join(dropped) or 'none'}; cells without a type left out: "
        f"{n['cells_without_type']}.",
        f"- Sequences: {n['region_bases']} bases in {n['regions']} regions, {n['n_bases']} of them N{shown}.",
        f"- (Region, cell type) pairs: {n['pairs']}; {n['pairs_held_out']} on held-out chromosomes ({held_out}), "
        f"{n['pairs_left_over']} left over in last groups that are not full.",
        f"- Samples (groups of {steps['regions_per_sample']}): {n['groups']} for training, {n['validation_groups']} "
        f"for validation (the last {_percent(steps['validation_fraction'])} of each chromosome's regions); "
        f"{n['groups_without_negative']} have no negative for segment B.",
        "",
    ]


def _types_lines(card: dict) -> list[str]:
    columns = {
        "cells": "Cells",
        "fragments": "Fragments",
        "accessible_regions": "Regions",
        "share_of_union": "Of the union",
        "only_here": "Only here",
        "groups": "Groups",
        "validation_groups": "Validation groups",
        "held_out": "Held out",
        "left_over": "Left over",
    }
    rows = [
        [name, *((_percent if key == "share_of_union" else _number)(row[key]) for key in columns)]
        for name, row in card["cell_types"].items()
    ]
    bed = ["BED input has no cells, and its fragments are peaks.", ""] if card["steps"]["format"] == "bed" else []
    picture = ["![Accessible regions per cell type](regions_per_type.png)", ""]
    return [*_table(["Cell type", *columns.values()], rows), *bed, *picture]


def _sharing_lines(card: dict) -> list[str]:
    open_in, pairs = card["sharing"]["regions_open_in"], card["sharing"]["pairs"]
    lines = _table(
        ["Open in exactly so many types", *(str(i + 1) for i in range(len(open_in)))],
        [["regions", *map(_number, open_in)]],
    )
    for which, some in (("most", pairs[:MAX_PAIRS]), ("least", pairs[MAX_PAIRS:][-MAX_PAIRS:][::-1])):
        if some:
            words = [f"{' and '.join(pair['cell_types'])} ({pair['jaccard']:.3f})" for pair in some]
            lines.append(f"- The {which} similar pairs (Jaccard index): {', '.join(words)}.")
    return [*lines, "", "![Sharing of regions between cell types](sharing.png)", ""]


def _length_lines(lengths: dict) -> list[str]:
    values = {key: value for key, value in lengths.items() if key != "histogram"}
    headings = [f"{key[1:]} %" if key[1:].isdigit() else key for key in values]
    numbers = [_number(value, int(key == "mean")) for key, value in values.items()]
    return _table(["Region length", *headings], [["bases", *numbers]])


def _motif_lines(motifs: dict) -> list[str]:
    expected = motifs["expected"]
    rows = [
        [name, _number(row["motifs_hit_per_region"], 1), _percent(row["share_of_ones"], 2)]
        for name, row in (("this run", motifs), ("expected by chance", expected))
        if row
    ]
    scanned = "whole regions were scanned"
    if motifs["region_bp"] is not None:
        scanned = f"only the middle {motifs['region_bp']} bp of each region were scanned"
    note = "No expected values are known for this p."
    if expected:
        note = f"Expected holds for {expected['holds_for']}; it is not scaled to this run."
    return [
        *_table([f"Motifs at p = {motifs['p_value']:g}", "Hit a region, mean", "Share of ones"], rows),
        f"{motifs['motifs']} motifs ({motifs['release']}, matrix {motifs['kind']}), of which "
        f"{motifs['motifs_that_cannot_reach_p']} cannot reach this p; {scanned}. {note}",
        "",
    ]


def _region_lines(card: dict) -> list[str]:
    twice, genome = card["duplicates"], card["genome"]
    groups, same, paper = twice["groups"], twice["sequences"], genome["paper"]
    paper_types, paper_regions = (_number(card["paper"][key]["paper"]) for key in ("cell_types", "regions"))
    return [
        *_length_lines(card["region_lengths"]),
        *_motif_lines(card["motifs"]),
        f"- Duplicates across types: {_number(twice['pairs'])} (region, cell type) pairs of "
        f"{_number(twice['regions'])} regions, {twice['pairs_per_region']:.2f} types a region. The paper's "
        f'{twice["paper_sequences"] / 1e6:g} million "sequences" are {paper_types} types x {paper_regions} regions = '
        f"{_number(twice['paper_pairs'])}.",
        f"- Identical sequences: {_number(same['different'])} different ones in {_number(same['regions'])} regions, "
        f"{_number(same['different_up_to_strand'])} with both strands as one; "
        f"{_number(same['in_repeats_up_to_strand'])} regions share theirs with another.",
        "- Training samples whose regions are also a sample of another type: "
        f"{_part(groups['same_regions_in_several_types'], groups['share'])} of {_number(groups['groups'])}.",
        f"- Share of the genome: {_number(genome['covered_bases'])} of {_number(genome['bases'])} bases of "
        f"{genome['build']} ({', '.join(genome['chromosomes'])}), {_percent(genome['share'], 2)}; the paper's "
        f"{_number(paper['regions_bases'])} are {_percent(paper['share'], 2)} of {paper['of']}.",
        "",
    ]


def _leakage_row(first: list[str], target: str, counts: dict) -> list[str]:
    placed, rest = counts[target]["placed"], counts[target]["unplaced"]
    overlapping, found = _part(placed["overlapping"], placed["share"]), _part(rest["found"], rest["share"])
    numbers = [_number(placed["examples"]), overlapping, _percent(placed["share_of_bases"])]
    return [*first, TARGETS[target], *numbers, _number(rest["examples"]), found]


def _leakage_lines(card: dict) -> list[str]:
    data_sets, targets = (card["leakage"][key] for key in ("data_sets", "targets"))
    if not data_sets:
        return ["No downstream data set is configured.", ""]
    rows = []
    for name, splits in data_sets.items():
        test = splits["test"]
        rows += [_leakage_row([name, "test", "all"], target, test) for target in targets]
        if len(data_sets) > MAX_DATA_SETS:
            continue
        parts = {f"label {label}": counts for label, counts in test["by_label"].items()}
        parts |= test["by_source"] if len(test["by_source"]) > 1 else {}
        rows += [_leakage_row([name, "test", part], "training", counts) for part, counts in parts.items()]
        rows += [_leakage_row([name, split, "all"], "training", splits[split]) for split in splits if split != "test"]
    sizes = [f"{TARGETS[name]} {_number(t['regions'])} ({_number(t['bases'])} bases)" for name, t in targets.items()]
    headings = ["Data set", "Split", "Examples", "Compared with regions of", "With a place", "Overlapping",
                "Bases covered", "Without a place", "Found whole"]  # fmt: skip
    return [
        "Pre-training has seen the bases that are counted here, without any label: on such examples a pre-trained "
        "model is not tested on unseen sequence. `corpus.holdout_chromosomes` keeps chromosomes out of pre-training. "
        "An example with a place overlaps if it shares at least one base with a region; one without a place is found "
        "if its whole sequence, on either strand, lies in one region (part of a sequence, or one across a region's "
        "border, is not noticed). "
        f"Regions: {', '.join(sizes)}.",
        "",
        *_table(headings, rows, text=range(4)),
    ]


def render_card(card: dict) -> str:
    """Return the page ``card.md`` of the content of ``card.json``."""
    hashes = [
        [key, row["file"], _number(row["bytes"]), f"`{row['sha256'][:16]}`"] for key, row in card["inputs"].items()
    ]
    sections = {
        "What was dropped, and why": _steps_lines(card),
        "Cell types": [*_types_lines(card), *_sharing_lines(card)],
        "Regions and motifs": _region_lines(card),
        "Overlap of downstream data with pre-training": _leakage_lines(card),
        "Inputs": _table(["Input", "File", "Bytes", "SHA-256, first 16 digits"], hashes, text=(0, 1, 3)),
    }
    return "\n".join(
        [
            f"# Data card of run {card['run']}",
            "",
            f"**Scale: {card['scale']}.** Genome {card['genome']['build']}. Only a run of the paper's scale on the "
            "paper's data compares with the paper.",
            "",
            *(f"- {note}" for note in card["notes"]),
            *([""] if card["notes"] else []),
            *_paper_lines(card),
            *(line for title, lines in sections.items() for line in (f"## {title}", "", *lines)),
            "Whole hashes, also of the files made on the way, and all matrices and histograms are in `card.json`.",
            "",
        ]
    )
