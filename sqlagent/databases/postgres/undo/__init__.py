"""Taking back what a run changed: its rows, and its changes of the schema."""
