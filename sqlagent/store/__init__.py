"""What is kept: the journal of threads, proposals, decisions and runs."""
