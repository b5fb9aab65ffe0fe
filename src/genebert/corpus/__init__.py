"""Samples of pre-training: groups of regions, their order, batches and masks."""
