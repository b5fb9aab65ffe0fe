"""From a peaks x cells matrix to the binary matrix of accessible regions x cell types (paper, section 4.1).

Counts are summed over the cells of a type, binarised, and regions that cannot be used are dropped. `tables` reads the
text files, `matrices` and `r_objects` the count matrices, `pseudobulk` sums and binarises, `regions` holds interval
arithmetic and the genome-build check, `build` puts them together.
"""

from genebert.accessibility.blocks import CountMatrix
from genebert.accessibility.build import (
    AccessibilitySettings,
    build_accessibility,
    filter_regions,
    load_regions,
)
from genebert.accessibility.matrices import MatrixInputs, read_h5ad, read_matrix, read_mtx
from genebert.accessibility.pseudobulk import (
    PseudoBulk,
    binarise,
    pseudobulk_from_beds,
    pseudobulk_from_matrix,
    sum_by_cell_type,
)
from genebert.accessibility.r_objects import read_dgcmatrix, read_seurat
from genebert.accessibility.regions import check_build, merge_overlapping
from genebert.accessibility.tables import read_bed, read_cells, read_peaks

__all__ = [
    "AccessibilitySettings",
    "CountMatrix",
    "MatrixInputs",
    "PseudoBulk",
    "binarise",
    "build_accessibility",
    "check_build",
    "filter_regions",
    "load_regions",
    "merge_overlapping",
    "pseudobulk_from_beds",
    "pseudobulk_from_matrix",
    "read_bed",
    "read_cells",
    "read_dgcmatrix",
    "read_h5ad",
    "read_matrix",
    "read_mtx",
    "read_peaks",
    "read_seurat",
    "sum_by_cell_type",
]
