"""The report of a run: one page for people, and the same files listed for machines."""
