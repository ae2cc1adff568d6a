"""One question per file; each has `run()`, which returns rows of the table."""
