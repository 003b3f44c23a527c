"""Which tables and columns the queries of a tree read and write, and through what: a view, a rule, a policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlagent.databases.postgres.opinion.node_text import Node

_BITS = {1: "insert", 2: "read", 4: "update", 8: "delete"}
"""What may be asked of a table, as `requiredPerms` has it."""
_WRITES = 1 | 4 | 8
_COLUMNS = {"read": "selectedCols", "update": "updatedCols"}
_FIRST_COLUMN = 7
"""In a set of columns their numbers are shifted past the system columns; the whole row is this."""
_SUBQUERY = 1
_POLICIES = ("securityQuals", "withCheckOptions")


@dataclass(frozen=True, slots=True)
class Via:
    """What makes a query reach a table that the statement itself does not name."""

    kind: str
    """`view`, `rule` or `policy`."""
    table: int
    """The oid of what it belongs to."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that a query asks of one table."""

    verb: str
    table: int
    column: int
    """Its number; 0 for the whole row, -1 where none is named."""
    via: Via | None


def permissions(queries: list[Node]) -> Iterator[Permission]:
    """The permissions that a statement's queries ask for; those that a rule added are marked as the rule's."""
    ruled = next((table for query in queries if _is_by_rule(query) for table in _named_in(query)), 0)
    for query in queries:
        for each in _of_query(query, Via("rule", ruled) if _is_by_rule(query) else None):
            yield replace(each, via=None) if ruled and each.table == ruled else each


def _is_by_rule(query: Node) -> bool:
    return query.number("querySource") != 0


def _named_in(query: Node) -> Iterator[int]:
    """What the statement itself would write, in a query that a rule made of it."""
    for asked in query.nodes("rteperminfos") or query.nodes("rtable"):
        if asked.number("requiredPerms") & _WRITES and asked.number("relid") != _target(query):
            yield asked.number("relid")


def _target(query: Node) -> int:
    tables, place = query.nodes("rtable"), query.number("resultRelation")
    return tables[place - 1].number("relid") if 0 < place <= len(tables) else 0


def _views_written(query: Node) -> Iterator[int]:
    """A view that an UPDATE, INSERT or DELETE names, whose table stands beside it since."""
    writes = query.number("commandType") != 1
    for table in query.nodes("rtable"):
        if writes and table.word("relkind") == "v" and table.number("rtekind") == 0:
            yield table.number("relid")


def _of_query(query: Node, via: Via | None) -> Iterator[Permission]:
    writes = query.number("commandType") != 1
    written = next(_views_written(query), 0)
    tables = query.nodes("rtable")
    asked = query.nodes("rteperminfos") or [t for t in tables if not _is_of_the_view(t)]
    for each in asked:
        through = Via("view", written) if written and via is None and each.number("relid") != written else via
        yield from _of_table(each, through, writes=writes)
    for table in tables:
        if table.number("rtekind") == _SUBQUERY:
            view = _view_behind(table)
            for inner in table.nodes("subquery"):
                yield from _of_query(inner, Via("view", view) if view and via is None else via)
        else:
            yield from _below(table, via)
    yield from _below(query, via, apart=("rtable", "rteperminfos"))


def _below(node: Node, via: Via | None, *, apart: tuple[str, ...] = ()) -> Iterator[Permission]:
    """Of the queries in a node's expressions; a policy's are the policy's."""
    waiting = [(node, via)]
    while waiting:
        each, through = waiting.pop()
        for name in each.fields:
            if each is node and name in apart:
                continue
            of_policy = Via("policy", node.number("relid")) if name in _POLICIES and through is None else through
            for inner in Node("", {name: each.fields[name]}).inner():
                if inner.tag == "QUERY":
                    yield from _of_query(inner, of_policy)
                else:
                    waiting.append((inner, of_policy))


def _of_table(asked: Node, via: Via | None, *, writes: bool) -> Iterator[Permission]:
    table, bits = asked.number("relid"), asked.number("requiredPerms")
    if not table:
        return
    for bit, verb in _BITS.items():
        if not bits & bit or (verb != "read" and not writes):  # FOR UPDATE asks for what UPDATE does
            continue
        columns = asked.numbers(_COLUMNS.get(verb, ""))
        for column in columns or [_FIRST_COLUMN - 1]:
            yield Permission(verb, table, column - _FIRST_COLUMN, via)


def _is_of_the_view(table: Node) -> bool:
    """Up to PostgreSQL 15 a view's query names the view itself, twice."""
    names = {alias.word("aliasname") for alias in table.nodes("alias")}
    return table.word("relkind") == "v" and bool(names & {"old", "new"})


def _view_behind(table: Node) -> int:
    """The view that a subquery is the text of; 0 for any other."""
    if table.word("relkind") == "v":
        return table.number("relid")
    inner = [each for query in table.nodes("subquery") for each in query.nodes("rtable") if _is_of_the_view(each)]
    return inner[0].number("relid") if inner else 0
