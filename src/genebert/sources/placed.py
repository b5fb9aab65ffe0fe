"""Files behind a login or an application: where a person gets them, and whether what was placed is what it must be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from genebert.errors import InputError
from genebert.files import is_web_page, sha256
from genebert.sources.cohort import (
    CONTROL,
    SEGMENTS,
    SEXES,
    WINDOW,
    check_bed,
    check_index,
    check_phenotypes,
    check_vcf,
)
from genebert.sources.dream_labels import FINAL_SETS, LABELS, STEP, WIDTH, check_labels
from genebert.sources.registry import Source
from genebert.sources.splice_table import PUBLISHED_CANONICAL, check_splice_table


@dataclass(frozen=True)
class Form:
    """What a file placed by hand must look like."""

    there: str  # what to fetch from the source's page
    describe: str  # what the file must look like, on one line
    check: Callable[[Path], dict[str, Any]]  # returns what is recorded, and raises InputError on a file of another form


_TABLE = (
    "hg19, plain or gzip text without header, 8 columns separated by tabs: gene, paralog (0 or 1), chromosome, strand, "
    "tx_start, tx_end, jn_start, jn_end; the last two are lists in which every number is followed by a comma"
)
_VCF = (
    f"hg19 VCF compressed with `bgzip`, with its index beside it, a genotype (GT) of every person, records within "
    f"{WINDOW // 1000} kb of RET on chr10, and the same people as phenotypes.tsv (published: 443 cases, 493 controls)"
)
_PHENOTYPES = (
    f"text with the header sample_id, status, sex, segment, cohort separated by tabs, one line a person of the VCF; "
    f"status 1 (case) or {CONTROL}, sex {' or '.join(SEXES)}, segment {', '.join(SEGMENTS)} (NA for controls)"
)
_LABELS = (
    f"hg19, gzip text with a header, columns separated by tabs: chr, start, stop, then one column a cell type with "
    f"{', '.join(LABELS)}; windows of {WIDTH} bp every {STEP} bp, sorted within each chromosome"
)


_TRAIN_CODE = 'in the folder "SpliceAI train code"'
FORMS = {
    "spliceai/canonical_dataset.txt": Form(
        f"canonical_dataset.txt {_TRAIN_CODE}",
        f"{_TABLE}; as many jn_start as jn_end, all inside the transcript",
        lambda path: check_splice_table(path, paired=True) | {"published": PUBLISHED_CANONICAL},
    ),
    "spliceai/gtex_dataset.txt": Form(
        f"gtex_dataset.txt {_TRAIN_CODE}", _TABLE, partial(check_splice_table, paired=False)
    ),
    "hscr/cohort.vcf.gz": Form("the genotypes of the cohort, or of the region around RET", _VCF, check_vcf),
    "hscr/cohort.vcf.gz.tbi": Form(
        "nothing; `tabix -p vcf cohort.vcf.gz` makes it",
        "the index that `tabix -p vcf` makes of cohort.vcf.gz, which lies beside it",
        check_index,
    ),
    "hscr/phenotypes.tsv": Form("who is a case, with sex and segment", _PHENOTYPES, check_phenotypes),
    "hscr/regions.bed": Form(
        "nothing; the window is your choice, for the paper does not give its own",
        "hg19 BED, one region a line, at least one of them over RET",
        check_bed,
    ),
}
for _factor, _cells in FINAL_SETS.items():
    FORMS[f"dream/{_factor}.train.labels.tsv.gz"] = Form(
        f"{_factor}.train.labels.tsv.gz of the training labels (syn7413983 of project syn6131484)",
        _LABELS,
        check_labels,
    )
    FORMS[f"dream/{_factor}.final.labels.tsv.gz"] = Form(
        f"the file of {_factor} among the final-round labels (syn10164048 of project syn6131484)",
        f"{_LABELS}; among the cell types {' and '.join(_cells)}",
        partial(check_labels, cells=_cells),
    )


def explain(source: Source, target: Path) -> str:
    """Say in four lines how a person gets a file: which page, which file there, which folder here, which form."""
    form = FORMS[source.name]
    lines = (
        f"{source.name} cannot be fetched without you; open {source.url} ({source.note.rstrip('.')})",
        f"take from there {form.there}",
        f"put it into the folder {target.parent} under the name {target.name}",
        f"it must be: {form.describe}",
    )
    return "\n".join(" ".join(line.split()) for line in lines)


def check_placed(source: Source, target: Path) -> dict[str, Any]:
    """Check the form of a file that a person placed.

    Returns
    -------
    dict
        For JSON: name, sha256, bytes, form, build (``not told`` where nothing in the file tells it, None where it has
        no coordinates), counts, and by file `evidence` for the build and `published` counts.

    Raises
    ------
    InputError
        The file is missing (then the message is :func:`explain`'s four lines), or of another form or genome build.
    """
    if source.name not in FORMS:
        raise InputError(f"{source.name}: no check of its form is known, expected one of {', '.join(FORMS)}")
    if not target.exists():
        raise InputError(explain(source, target))
    form = FORMS[source.name]
    if not target.is_file():
        raise InputError(f"{target}: found a folder, expected a file: {form.describe}")
    try:
        with target.open("rb") as handle:
            empty = not handle.read(512).strip()
        page = is_web_page(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be read ({error.strerror})") from error
    if empty or page:
        found = "an empty file" if empty else "an HTML page (of the login?)"
        raise InputError(f"{target}: found {found}, expected: {form.describe}")
    found = form.check(target)
    size = target.stat().st_size
    return {"name": source.name, "sha256": sha256(target), "bytes": size, "form": form.describe} | found
