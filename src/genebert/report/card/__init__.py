"""The data card of a run."""
