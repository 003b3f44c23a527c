"""From files to tables: which files there are, what they are called, and an engine that reaches nothing else."""
