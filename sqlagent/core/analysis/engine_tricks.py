"""Queries that do more than read without calling anything: what single engines do with a name, a hint or a string."""

from __future__ import annotations

from sqlglot import exp

from sqlagent.core.functions import Effect, effect_of
from sqlagent.core.nouns.analysis import Risk
from sqlagent.core.text.lexer import POSTGRES, SYMBOL, lexicon
from sqlagent.core.text.parse_tree import Tree
from sqlagent.core.text.split import Piece

_HINTED = frozenset({"mysql", "postgres"})
_NO_SEQUENCES = frozenset({"sqlite", "postgres", "duckdb"})
"""Dialects in which `s.nextval` is a column; in others it may move a sequence on."""
_COUNTERS = frozenset({"nextval", "currval", "lastval"})
_RESET_BY_READING = frozenset({"innodb_cmp_reset", "innodb_cmpmem_reset", "innodb_cmp_per_index_reset"})
"""Views of MySQL's that put counters back to zero whenever somebody reads them."""
_SERVER_FILES = frozenset({"pg_hba_file_rules", "pg_file_settings", "pg_ident_file_mappings", "pg_config"})
"""Views of PostgreSQL's that show files and settings of the server's machine."""
_FILE_ENDINGS = frozenset(
    """
    csv tsv txt json jsonl ndjson geojson parquet gz zst bz2 xz zip xlsx xls arrow arrows feather ipc avro orc vortex
    lance db duckdb sqlite sqlite3 shp gpkg fgb kml log md sql toml yaml yml xml html pq tab dat blob bin npy npz
    """.split()
)
"""What DuckDB, or an extension of its, reads a file by."""


def trick(piece: Piece, dialect: str, tree: Tree | None = None) -> tuple[Risk, str]:
    """Why a query of built-in functions is no read all the same; "" where nothing is seen."""
    if dialect in _HINTED and any(c.text.startswith("/*+") for c in piece.comments):
        return Risk.UNKNOWN, "a hint in a comment, which may change settings: /*+ ... */"
    if dialect == "mysql" and any(t.text == ":=" and t.kind == SYMBOL for t in piece.tokens):
        return Risk.UNKNOWN, "it assigns a variable"
    if tree is None:
        return Risk.READ, ""
    for column in tree.of(exp.Column) if dialect not in _NO_SEQUENCES else ():
        if column.table and column.name.lower() in _COUNTERS:
            return Risk.WRITE, f"{column.table}.{column.name} may move a sequence on"
    for table in tree.of(exp.Table):
        if dialect == "mysql" and table.name.lower() in _RESET_BY_READING:
            return Risk.WRITE, f"reading {table.name} resets its counters"
    return Risk.READ, ""


def file_named(tree: Tree, dialect: str) -> str:
    """Why a name in FROM is no table, or "": DuckDB reads a file of that name, SQLite its own pages."""
    for table in tree.of(exp.Table):
        name = table.this.name if isinstance(table.this, exp.Identifier) else ""
        if dialect == "duckdb" and _may_be_file(table, name):
            return f"it reads the file {'.'.join(p.name for p in table.parts)[:60]}"
        if dialect == "sqlite" and name[:7].lower() == "sqlite_" and effect_of(name, dialect) is Effect.OUTSIDE:
            return f"{name} is no table: it shows what is below the database"
        if lexicon(dialect) is POSTGRES and dialect != "duckdb" and name.lower() in _SERVER_FILES:
            return f"{name} shows a file of the server's"
    return ""


def _may_be_file(table: exp.Table, name: str) -> bool:
    if any(c in name for c in "./:*\\?["):
        return True
    return table.args.get("db") is not None and name.lower() in _FILE_ENDINGS
