"""What DuckDB's own parser makes of a query: the tables and functions that it names, and nothing unknown to us."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from sqlagent.core.functions import Effect, effect_of

_NODES = frozenset(
    """
    SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE
    BASE_TABLE JOIN SUBQUERY TABLE_FUNCTION EMPTY EXPRESSION_LIST PIVOT SHOW_REF
    ORDER_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING
    FUNCTION COLUMN_REF STAR LAMBDA LAMBDA_REF CASE_EXPR COLLATE POSITIONAL_REFERENCE VALUE_CONSTANT GROUPING_FUNCTION
    ARRAY_EXTRACT ARRAY_SLICE ARRAY_CONSTRUCTOR STRUCT_EXTRACT TYPE CAST
    """.split()
)
_FAMILIES = re.compile(r"(COMPARE|OPERATOR|CONJUNCTION|WINDOW)_[A-Z_]+")
_SYSTEM = "information_schema"
_WIDE = frozenset({"STAR", "POSITIONAL_REFERENCE", "PIVOT", "SHOW_REF"})
"""Nodes that may stand for columns that are not named."""


class Strange(Exception):
    """It is no single query, or has something that is on no list; `str` of it says what."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a query names."""

    tables: frozenset[str]
    """Of this database, in small letters."""
    functions: tuple[str, ...]
    columns: frozenset[str] | None
    """Every word that can be a column's, in small letters; None where some are not named."""
    shows: bool
    """It is a DESCRIBE or a SHOW, which DuckDB makes a query of."""


def named(reader: duckdb.DuckDBPyConnection, sql: str, tables: frozenset[str]) -> Named:
    """What a query names, where all of it is known; raises Strange.  `tables` are those there are, in small letters."""
    tree = _tree(reader, sql)
    nodes = list(_nodes(tree))
    for node in nodes:
        kind = node.get("type")
        if isinstance(kind, str) and not (kind in _NODES or _FAMILIES.fullmatch(kind)):
            raise Strange(f"it has a {kind.lower()}, which is on no list")
    own = {str(entry["key"]).lower() for node in nodes for entry in node.get("map") or () if "key" in entry}
    own |= {str(node["cte_name"]).lower() for node in nodes if node.get("cte_name")}
    read = {name for node in nodes if node.get("type") == "BASE_TABLE" for name in _table(node, tables, own)}
    functions = dict.fromkeys(str(node["function_name"]).lower() for node in nodes if node.get("function_name"))
    for function in functions:
        if function[0].isalpha() and effect_of(function, "duckdb") is not Effect.PURE:
            raise Strange(f"it calls {function}, which is not on the list of functions that only compute")
    root = tree[0]["node"].get("from_table") or {}
    return Named(frozenset(read), tuple(functions), _columns(nodes, read), root.get("type") == "SHOW_REF")


def _tree(reader: duckdb.DuckDBPyConnection, sql: str) -> Any:
    (row,) = reader.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    tree = json.loads(row[0])
    if tree["error"]:
        raise Strange(str(tree["error_message"]))
    return tree["statements"]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _table(node: dict[str, Any], tables: frozenset[str], own: set[str]) -> Iterator[str]:
    name, schema = str(node["table_name"]).lower(), str(node["schema_name"]).lower()
    catalog = str(node["catalog_name"]).lower()
    if schema == _SYSTEM and catalog in ("", "memory", "system"):
        return
    plain = schema in ("", "main", "memory") and catalog in ("", "memory")
    if plain and name in tables:
        yield name
    elif not (name in own and not schema):
        raise Strange(f"{'.'.join(filter(None, (catalog, schema, name)))[:60]} is none of the tables")


def _columns(nodes: list[dict[str, Any]], read: set[str]) -> frozenset[str] | None:
    found: set[str] = set()
    for node in nodes:
        if node.get("type") in _WIDE or node.get("using_columns") or node.get("ref_type") == "NATURAL":
            return None
        if node.get("column_name_alias"):
            return None  # its columns have other names here
        if node.get("type") == "COLUMN_REF":
            words = {str(name).lower() for name in node["column_names"]}
            if len(words) == 1 and words <= read:
                return None  # a whole row
            found |= words
    return frozenset(found)
