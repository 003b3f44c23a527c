"""A small schema for the tests of sentences, and what is said over it."""

from __future__ import annotations

from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.core.repair.catalogue import Catalogue
from sqlagent.core.words.statement import Said, said
from sqlagent.core.words.writes import Rows

CUSTOMERS = Table(
    "customers",
    (
        Column("id", "INTEGER", nullable=False, primary_key=True),
        Column("name", "TEXT", nullable=False),
        Column("country", "TEXT"),
        Column("newsletter", "INTEGER", nullable=False),
    ),
)
ORDERS = Table(
    "orders",
    (
        Column("id", "INTEGER", nullable=False, primary_key=True),
        Column("customer_id", "INTEGER", nullable=False, references="customers.id"),
        Column("seller_id", "INTEGER", references="staff.id"),
        Column("status", "TEXT", nullable=False),
        Column("total", "NUMERIC", nullable=False),
        Column("created_at", "TEXT", nullable=False),
        Column("note", "TEXT"),
    ),
)
ITEMS = Table(
    "items",
    (
        Column("id", "INTEGER", nullable=False, primary_key=True),
        Column("order_id", "INTEGER", nullable=False, references="orders.id"),
        Column("quantity", "INTEGER", nullable=False),
    ),
)
STAFF = Table("staff", (Column("id", "INTEGER", nullable=False, primary_key=True), Column("name", "TEXT")))
TABLES = (CUSTOMERS, ORDERS, ITEMS, STAFF)
AS_POSTGRES = {"INTEGER": "integer", "TEXT": "text", "NUMERIC": "numeric(10,2)"}


def told(sql: str, *more: Table, dialect: str = "sqlite", rows: Rows | None = None) -> Said:
    return said(sql, Catalogue.of(Schema(dialect, "", (*TABLES, *more))), rows or Rows())


def words(sql: str, *more: Table, dialect: str = "sqlite", rows: Rows | None = None) -> str:
    return told(sql, *more, dialect=dialect, rows=rows).sentence


def assumed(sql: str, *more: Table) -> list[str]:
    assert words(sql, *more)
    return [note.text for note in told(sql, *more).notes]


def as_postgres(table: Table) -> Table:
    """The same table with the names that PostgreSQL has for its types."""
    columns = tuple(Column(c.name, AS_POSTGRES[c.type], c.nullable, c.primary_key, c.references) for c in table.columns)
    return Table(table.name, columns)
