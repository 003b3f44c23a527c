"""A session with PostgreSQL: how it is opened, what it may do, and what its errors mean to a person."""
