"""What PostgreSQL itself says of a statement and of the schema, with nothing run."""
