"""Kinds of tasks: what a label is, how a model is trained for it, and what is measured."""
