"""GeneBERT: from single-cell ATAC matrices to a regulatory-genome language model and its benchmark tables.

The package holds all science and knows nothing of Snakemake. Layers, bottom to top; no import runs upwards:
``genome, kmers, motifs, accessibility, simulate`` -> ``corpus`` -> ``batches, models`` -> ``training`` -> ``tasks,
baselines, finetune`` -> ``tables``.
"""

__version__ = "0.1.0"
