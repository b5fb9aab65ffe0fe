"""Names of what predicts, of what is predicted, and what they are in words."""

from genebert.evaluation.cell_types import ACCESSIBILITY, DEVIATION, SPECIFIC

TRAINING_MEAN, OTHER_TYPES = "training-mean", "other-types-mean"
COMPOSITION, KMERS = "composition", "kmers"
SEQUENCE, REGION = "E_seq of {}", "E_reg of {}"
PLAIN = {SEQUENCE: (KMERS, "motifs"), REGION: ("motifs",)}  # what an encoder's states are compared with

WORDS = {
    ACCESSIBILITY: "Accessibility",
    DEVIATION: "Without the mean over types",
    SPECIFIC: "Cell-specific part",
}
SAID = {
    TRAINING_MEAN: "each type's mean over the training regions: the floor",
    OTHER_TYPES: "the region's own mean over all other types, which no sequence tells: what is shared by types",
    COMPOSITION: "GC, CpG and log length, and their squares",
    KMERS: "shares of 1- to 4-mers",
    "motifs": "rows of the region x TF matrix",
    "composition-motifs": "both",
    "motif-l1": "regression with an L1 penalty on rows of the matrix",
    "motif-trees": "boosted trees on rows of the matrix",
}
