"""Benchmark tasks: raw annotation in, labelled train, validation and test sequences with a data card out."""
