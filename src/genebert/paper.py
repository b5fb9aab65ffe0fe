"""The paper's figures: GeneBERT, arXiv 2110.05231."""

# Paper, section 4.1 (docs/facts.md 22): union of accessible regions of 17 cell types.
PAPER = {"cell_types": 17, "regions": 1_000_029, "base_pairs": 504_657_456}
PAPER_SEQUENCES = 17_000_000

# The nine sets of the paper's Table 2, and the seven of them that Table 6 repeats (docs/facts.md 32).
TABLE2 = (
    "CTCF_A549_CTCF_UT-A", "CTCF_A549_CTCF_UW", "CTCF_AG04449_CTCF_UW", "CTCF_AG04450_CTCF_UW", "CTCF_AG09309_CTCF_UW",
    "CTCF_AG09319_CTCF_UW", "CTCF_AG10803_CTCF_UW", "CTCF_AoAF_CTCF_UW", "CTCF_BE(2)-C_CTCF_UW",
)  # fmt: skip
TABLE6 = TABLE2[2:]
# Splice sites of Table 4, those fully covered by pre-training regions, and a share of unknown things: docs/facts.md 42.
PAPER_SPLICING = {"sites": 548_000, "covered": 72_500, "share": 0.267}
PAPER_GENOME = "hg19, chr1-22 and X"
TITLES = {
    1: "Promoter prediction",
    2: "Transcription factor binding sites",
    3: "Disease risk prediction",
    4: "RNA splicing sites prediction",
    5: "Pre-training losses",
    6: "Transcription factor binding sites by cell type and tissue",
    7: "Region encoders",
    8: "Batch size and weight of the matching loss",
}
ABLATIONS = (5, 7, 8)  # tables whose rows are models with one setting changed
EXTENDED = "_extended"  # after the name of a table: rows of ours that the paper has none of
# Of these forms.
EXTENDED_TITLES = {
    1: "Promoters against genomic windows of equal GC and CpG content",
    5: "The paper's settings, one at a time",
    6: "Peaks that differ between cell types",
    8: "Batch size, for equal samples",
}


def number_of(table: str) -> tuple[int, bool]:
    """Return the number of a table by its name, ``table5`` or ``table5_extended``, and whether it is extended."""
    return int(table.removeprefix("table").removesuffix(EXTENDED)), table.endswith(EXTENDED)
