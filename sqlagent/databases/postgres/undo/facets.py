"""Owner, privileges and settings of an object set back, each by the statement that PostgreSQL has for it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlagent.databases.postgres.effect.schema_changes import Object

_ON = {
    "view": "TABLE", "materialized view": "TABLE", "foreign table": "TABLE", "column": "TABLE", "function": "ROUTINE",
    "procedure": "ROUTINE", "aggregate": "ROUTINE",
}  # fmt: skip
"""What GRANT calls an object, where that is not its kind."""
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
_COMPRESSION = {"p": "pglz", "l": "lz4", "": "default"}
_IDENTITY = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL"}
_FIRES = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def owner(o: Object, was: Object) -> Iterator[str]:
    """Before all else: rights are given by whoever owns it."""
    if o.facets.get("owner", "") != was.facets.get("owner", "") and o.kind != "index":
        yield f"ALTER {o.kind.upper()} {o.name} OWNER TO {was.facets['owner']}"


def settings(o: Object, was: Object) -> Iterator[str]:
    """All the others; what has no statement here is found to differ afterwards."""
    now, then = o.facets, was.facets
    alter = f"ALTER {o.kind.upper()} {o.name}"
    if o.kind == "column":
        alter = f"ALTER TABLE {o.name} ALTER COLUMN {o.part}"
    yield from _options(alter, now.get("options", ""), then.get("options", ""))
    yield from _options(alter, now.get("toast", ""), then.get("toast", ""), prefix="toast.")
    for name in sorted(then.keys() | now.keys()):
        if now.get(name) != then.get(name) and (words := _said(o, name, then.get(name, ""))):
            yield f"{words}" if words.startswith("ALTER") else f"{alter} {words}"
    yield from _privileges(o, now.get("acl", ""), then.get("acl", ""))


def _said(o: Object, name: str, value: str) -> str:
    match name:
        case "persistence":
            return "SET LOGGED" if value == "p" else "SET UNLOGGED"
        case "security":
            return f"{'ENABLE' if value == 'true' else 'DISABLE'} ROW LEVEL SECURITY"
        case "forced":
            return f"{'' if value == 'true' else 'NO '}FORCE ROW LEVEL SECURITY"
        case "identity" if value in _IDENTITY:
            return f"REPLICA IDENTITY {_IDENTITY[value]}"
        case "storage":
            return f"SET STORAGE {_STORAGE[value]}"
        case "compression":
            return f"SET COMPRESSION {_COMPRESSION[value]}"
        case "owned":
            return f"OWNED BY {value or 'NONE'}"
        case "statistics":
            return f"SET STATISTICS {value or -1}"
        case "enabled":
            return f"ALTER TABLE {o.name} {_FIRES[value]} {o.kind.upper()} {o.part}"
    return ""


def _options(alter: str, now: str, then: str, prefix: str = "") -> Iterator[str]:
    listed = [dict(each.split("=", 1) for each in text.split("\x1e") if each) for text in (now, then)]
    if gone := [f"{prefix}{name}" for name in listed[0] if name not in listed[1]]:
        yield f"{alter} RESET ({', '.join(gone)})"
    if back := {name: value for name, value in listed[1].items() if listed[0].get(name) != value}:
        quoted = ("'" + value.replace("'", "''") + "'" for value in back.values())
        yield f"{alter} SET ({', '.join(f'{prefix}{n} = {v}' for n, v in zip(back, quoted, strict=True))})"


def _privileges(o: Object, now: str, then: str) -> Iterator[str]:
    has, had = ({tuple(item.split("\x1d")) for item in text.split("\x1e") if item} for text in (now, then))
    on = f"ON {_ON.get(o.kind, o.kind.upper())} {o.name}"
    part = f" ({o.part})" if o.kind == "column" else ""
    for grantee, privilege, grantable, grantor in sorted(has - had):
        only = "GRANT OPTION FOR " if grantable == "true" and (grantee, privilege, "false", grantor) in had else ""
        yield f"REVOKE {only}{privilege}{part} {on} FROM {grantee}"
    for grantee, privilege, grantable, _ in sorted(had - has):
        yield f"GRANT {privilege}{part} {on} TO {grantee}{' WITH GRANT OPTION' if grantable == 'true' else ''}"
