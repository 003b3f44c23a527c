"""Changes of rows, the same on every engine: what they are, added up, compared, masked, shown, and bounded."""
