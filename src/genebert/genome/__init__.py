"""The genome: builds, chromosomes, intervals, sequences, k-mers."""
