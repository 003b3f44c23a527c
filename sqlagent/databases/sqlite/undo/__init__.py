"""Taking back what a run changed: rows, then objects, and looking at that before it is done."""
