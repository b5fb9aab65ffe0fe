"""What stands in ``figure2.json``, in words; without imports that its numbers need, so that a page can say it too."""

WORD = 4  # bases of the k-mers of the control
# Controls that look at no model, and what two samples are near by.
CONTROLS = {
    "shared_regions": "number of regions in common",
    "shared_share": "share of regions that other cell types hold too",
    "gc_cpg": "GC and CpG content",
    "kmers": f"counts of {WORD}-mers",
}
SETS = {"drawn": "samples of pre-training", "specific": "without regions that cell types share"}
