"""GeneBERT: from single-cell ATAC matrices to a regulatory-genome language model and its benchmark tables.

The package holds all science and knows nothing of Snakemake. Its rooms, bottom to top, and what runs through them:
docs/architecture.md.
"""

__version__ = "0.1.0"
