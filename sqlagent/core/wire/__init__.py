"""How other programs answer a thread that waits: which shapes of answers are understood, and which are refused."""
