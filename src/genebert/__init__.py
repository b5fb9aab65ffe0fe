"""GeneBERT: from single-cell ATAC matrices to a regulatory-genome language model and its benchmark tables.

The package holds all science and knows nothing of Snakemake. Layers, bottom to top; no import runs upwards:
``genome, kmers, motifs, accessibility`` -> ``corpus`` -> ``models`` -> ``training`` -> ``tasks, finetune``
-> ``tables, figures`` -> ``cli``.
"""

__version__ = "0.1.0"
