"""Places that tell which genome build coordinates belong to: well-known genes and a variant."""

import pandas as pd

from genebert.errors import InputError
from genebert.genome.builds import BUILD_LENGTHS, NOT_TOLD

# gene: chromosome, then start and end (1-based, inclusive) by build. hg19: SpliceAI's canonical_dataset.txt
# (docs/facts.md 8); hg38: grch38.txt of the package spliceai 1.3.1 (GENCODE 24). Chosen so that no gene overlaps its
# place in the other build, on both the training and the test chromosomes of SpliceAI.
ANCHORS = {
    "PIK3CA": ("chr3", {"hg19": (178866311, 178957881), "hg38": (179148523, 179240093)}),
    "ALB": ("chr4", {"hg19": (74269956, 74287129), "hg38": (73404239, 73421412)}),
    "CFTR": ("chr7", {"hg19": (117120017, 117308719), "hg38": (117479963, 117668665)}),
    "MYC": ("chr8", {"hg19": (128748315, 128753678), "hg38": (127736069, 127741432)}),
    "RET": ("chr10", {"hg19": (43572475, 43625799), "hg38": (43077027, 43130351)}),
    "BRCA2": ("chr13", {"hg19": (32889611, 32974403), "hg38": (32315474, 32400266)}),
    "TP53": ("chr17", {"hg19": (7571720, 7590856), "hg38": (7668402, 7687538)}),
    "BRCA1": ("chr17", {"hg19": (41197646, 41277500), "hg38": (43045629, 43125483)}),
    "APOE": ("chr19", {"hg19": (45409011, 45412650), "hg38": (44905754, 44909393)}),
    "GNAS": ("chr20", {"hg19": (57466358, 57486247), "hg38": (58891303, 58911192)}),
    "SOX10": ("chr22", {"hg19": (38368307, 38380544), "hg38": (37972300, 37984537)}),
    "GATA1": ("chrX", {"hg19": (48644962, 48652715), "hg38": (48786554, 48794308)}),
}
# The common C>T in RET's enhancer: its place (1-based) by build.
SNP_NAME, SNP = "rs2435357", {"hg19": 43582056, "hg38": 43086608}


def tell_build(genes: pd.DataFrame, build: str, where: str) -> dict[str, object]:
    """Tell the build of a table of genes by most of the anchor genes in it: `build`, else it is refused.

    `genes` has the columns gene, chrom (normalised), tx_start, tx_end (1-based, inclusive). Returned are the build
    (``not told`` where the table has no anchor gene) and the evidence.
    """
    present, fitting = 0, dict.fromkeys(BUILD_LENGTHS, 0)
    for gene, rows in genes[genes["gene"].isin(list(ANCHORS))].groupby("gene"):
        chrom, places = ANCHORS[str(gene)]
        present += 1
        for name, (start, end) in places.items():
            fits = (rows["chrom"] == chrom) & (rows["tx_start"] <= end) & (rows["tx_end"] >= start)
            fitting[name] += int(fits.any())
    if present and 2 * fitting[build] <= present:
        best = max(fitting, key=fitting.__getitem__)
        other = f", and {fitting[best]} where {best} has them" if 2 * fitting[best] > present else ""
        raise InputError(
            f"{where}: {fitting[build]} of {present} well-known genes (RET, TP53 and others) lie where {build} has them"
            f"{other}; expected coordinates of {build}"
        )
    told = build if present else NOT_TOLD
    return {"build": told, "evidence": {"anchor_genes": present, "at_their_place_in": fitting}}
