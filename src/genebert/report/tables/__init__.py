"""The paper's tables with our values beside them, from score files and nothing else."""
