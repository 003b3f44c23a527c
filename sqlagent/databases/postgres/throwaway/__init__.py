"""A PostgreSQL server out of a wheel, for whoever has none: it is thrown away afterwards."""
