"""The command `genebert`."""
