"""External files: the registry, downloads, and files that a person places."""
