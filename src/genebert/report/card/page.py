"""The data card of a run: ``card.json`` holds everything, ``card.md`` is the page to read, with two pictures."""

from pathlib import Path

from genebert.files import atomic_path, write_json
from genebert.report.card.plots import plot_regions_per_type, plot_sharing
from genebert.report.text import fill


def write_card(card: dict, folder: str | Path) -> None:
    """Write ``card.json``, ``card.md`` and the pictures ``regions_per_type`` and ``sharing`` (svg, png)."""
    folder, title = Path(folder), f"Run {card['run']}: {card['scale']}"
    plot_regions_per_type(card["cell_types"], folder, title)
    plot_sharing(card["sharing"], folder, title)
    with atomic_path(folder / "card.md") as temporary:
        temporary.write_text(fill("card.md", card=card))
    write_json(folder / "card.json", card)
