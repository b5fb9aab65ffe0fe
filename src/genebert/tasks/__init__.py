"""Downstream tasks: labelled splits from public annotations."""
