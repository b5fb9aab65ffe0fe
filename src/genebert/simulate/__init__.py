"""A toy atlas with known truth, in the file formats of the real sources."""
