"""Labelled examples, metrics, score files."""
