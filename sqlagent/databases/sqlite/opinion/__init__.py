"""What SQLite itself says of a statement and of the schema, with nothing run."""
