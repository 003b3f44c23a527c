"""What DuckDB says of a statement without running it, and what there is to ask about."""
