"""Opening a SQLite file, guarding what its connection may do, and how long and loud it may be."""
