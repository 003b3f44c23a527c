"""One approved script, run once, and what became of it."""
