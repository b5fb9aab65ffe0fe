"""Settings: what each key of the configuration may be, and reading it."""
