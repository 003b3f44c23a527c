"""How other programs answer a waiting thread."""
