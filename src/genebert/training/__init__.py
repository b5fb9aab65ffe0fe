"""Pre-training: the loop, its schedule, its checkpoints."""
