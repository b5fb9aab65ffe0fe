"""What tables show of each kind of task."""
