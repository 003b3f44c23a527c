"""SQLite's PRAGMAs: which only tell, which change the file, and which loosen the session and are denied."""

from __future__ import annotations

from sqlagent.core.nouns.analysis import Kind, Risk
from sqlagent.core.text.first_words import Head
from sqlagent.core.text.function_calls import unquoted
from sqlagent.core.text.split import Piece

TELLS = frozenset(
    """
    collation_list compile_options database_list foreign_key_list foreign_key_check function_list index_info index_list
    index_xinfo integrity_check module_list pragma_list quick_check table_info table_list table_xinfo
    """.split()
)
"""These only tell, with an argument or without."""

TELLS_ALONE = TELLS | frozenset(
    """
    analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size cache_spill cell_size_check
    data_version defer_foreign_keys encoding foreign_keys freelist_count fullfsync ignore_check_constraints
    journal_size_limit legacy_alter_table locking_mode max_page_count mmap_size page_count page_size
    query_only read_uncommitted recursive_triggers reverse_unordered_selects schema_version secure_delete
    synchronous temp_store threads trusted_schema user_version wal_autocheckpoint writable_schema
    """.split()
)
"""These tell while they are given no value."""

CHANGES = frozenset({"user_version", "application_id"})
"""Numbers of the user's own, kept in the file; any other value that a PRAGMA sets is denied."""

WORKS = frozenset({"optimize", "incremental_vacuum"})
"""Maintenance: long, or changes stored data or statistics."""


_INSTEAD = {
    "foreign_keys": ": leave it out, and set `foreign_keys = false` for this database in your own config file"
    "  (sqlagent help rebuild-a-table)",
}
"""What does the same in the open."""


def pragma(piece: Piece) -> Head:
    """What a PRAGMA does; one with a value that we do not know is denied, for 32 of 41 act while being prepared."""
    tokens = piece.tokens[1:]
    if len(tokens) > 2 and tokens[1].text == ".":
        tokens = tokens[2:]
    if not tokens:
        return Head(Kind.PRAGMA, why="a PRAGMA without a name")
    name, rest = unquoted(tokens[0]).lower(), tokens[1:]
    if (not rest and name in TELLS_ALONE) or (name in TELLS and _one_argument(rest)):
        return Head(Kind.PRAGMA, Risk.READ)
    if name in CHANGES:
        return Head(Kind.PRAGMA, Risk.SEVERE, why=f"PRAGMA {name} changes the file's header")
    if name in WORKS:
        return Head(Kind.PRAGMA, Risk.WRITE, why=f"PRAGMA {name} is maintenance")
    return Head(
        Kind.PRAGMA,
        denied="unsafe-pragma",
        why=f"PRAGMA {name} changes how the database behaves{_INSTEAD.get(name, '')}",
    )


def _one_argument(rest: tuple[object, ...]) -> bool:
    texts = [getattr(t, "text", "") for t in rest]
    return (len(texts) == 3 and texts[0] == "(" and texts[2] == ")") or (len(texts) == 2 and texts[0] == "=")
