"""Sixty schemas as others have them: rows that break rules, blobs as text, indexes that nobody else can use."""

from __future__ import annotations

from pathlib import Path

import apsw

_TABLES = {
    "orphans": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y TEXT);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INT REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE, y);
        INSERT INTO b VALUES (51, 977, 'lost'), (52, 978, 'lost'), (53, NULL, 'free')""",
    "orphans by text": """CREATE TABLE a (k TEXT PRIMARY KEY NOT NULL, x, y);
        CREATE TABLE b (k TEXT PRIMARY KEY, r TEXT REFERENCES a ON DELETE SET NULL, y);
        INSERT INTO b VALUES ('o', 'nobody', 1), ('p', 'none', 2), (NULL, 'gone', 3)""",
    "orphans of two columns": """CREATE TABLE a (j, k INT, x, PRIMARY KEY (j, k)) WITHOUT ROWID;
        CREATE TABLE b (q, r, y, FOREIGN KEY (q, r) REFERENCES a (j, k));
        INSERT INTO b VALUES ('z', 99, 1), (8, 8, 2)""",
    "a key to what is not unique": """CREATE TABLE a (x, y);
        CREATE TABLE b (id INTEGER PRIMARY KEY, r REFERENCES a (x), y);
        INSERT INTO b VALUES (61, 5, 'n'), (62, NULL, 'm')""",
    "a key to nothing": """CREATE TABLE a (id INTEGER PRIMARY KEY, r REFERENCES nowhere, x);
        INSERT INTO a VALUES (71, 1, 2), (72, NULL, 3); CREATE TABLE b (x, y)""",
    "broken checks": """CREATE TABLE a (id INTEGER PRIMARY KEY, x CHECK (x > 0 OR x IS NULL), y CHECK (y <> 'b'));
        INSERT INTO a VALUES (81, -5, 'b'), (82, 0, 'b'), (83, 2, 'b')""",
    "broken checks, no key": """CREATE TABLE a (x CHECK (typeof(x) = 'integer'), y TEXT);
        INSERT INTO a VALUES ('text', 1), (1.5, NULL), (x'00', 'z')""",
    "an order in a column": """CREATE TABLE a (id INTEGER PRIMARY KEY, x COLLATE LOCALIZED, y);
        INSERT INTO a VALUES (1, 'ä', 1), (2, 'z', 2)""",
    "an order in an index": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y);
        INSERT INTO a VALUES (1, 'ä', 1), (2, 'z', 2);
        CREATE INDEX a_x ON a (x COLLATE LOCALIZED)""",
    "blobs as text": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y TEXT);
        INSERT INTO a VALUES (1, CAST(x'63e9' AS TEXT), CAST(x'ff' AS TEXT)), (2, x'e9', 'ok'), (3, 'é', x'00')""",
    "blobs as text, a key": """CREATE TABLE a (k PRIMARY KEY, x, y);
        INSERT INTO a VALUES (CAST(x'e9' AS TEXT), 1, 2), (x'e9', CAST(x'c3' AS TEXT), 3), (NULL, 'n', 4)""",
    "a full-text index of its own": """CREATE VIRTUAL TABLE a USING fts5(x, y);
        CREATE TABLE b (id INTEGER PRIMARY KEY, x)""",
    "a full-text index of a table": """CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT, y);
        CREATE VIRTUAL TABLE f USING fts5(x, content = 'a', content_rowid = 'id');
        INSERT INTO a VALUES (91, 'not in the index', 1);
        CREATE TRIGGER t1 AFTER INSERT ON a BEGIN INSERT INTO f (rowid, x) VALUES (NEW.id, NEW.x); END;
        CREATE TRIGGER t2 AFTER DELETE ON a BEGIN INSERT INTO f (f, rowid, x) VALUES ('delete', OLD.id, OLD.x); END""",
    "an old full-text index": "CREATE VIRTUAL TABLE a USING fts4(x, y); CREATE TABLE b (x PRIMARY KEY, y)",
    "boxes": "CREATE VIRTUAL TABLE a USING rtree(id, low, high); CREATE TABLE b (id INTEGER PRIMARY KEY, x)",
    "counters": """CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x, y); CREATE TABLE b
        (id INTEGER PRIMARY KEY AUTOINCREMENT, a_id REFERENCES a ON DELETE CASCADE, y);
        INSERT INTO sqlite_sequence VALUES ('a', 500), ('gone', 7); INSERT INTO b VALUES (9, 404, 'lost')""",
    "statistics": """CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x, y); CREATE INDEX a_x ON a (x, y);
        INSERT INTO a VALUES (1, 2, 3), (2, 2, 4); ANALYZE; DELETE FROM a""",
    "a queue": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE TABLE b (what, old, new CHECK (new <> 7));
        INSERT INTO b VALUES ('x', 1, 7);
        CREATE TRIGGER t1 AFTER UPDATE ON a BEGIN INSERT INTO b VALUES ('u', OLD.x, NEW.x); END;
        CREATE TRIGGER t2 AFTER DELETE ON a BEGIN DELETE FROM b WHERE old = OLD.x; END""",
    "kinds of another column": """CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT, y);
        INSERT INTO a VALUES (1, '12', 1), (2, 'x', '3'); PRAGMA writable_schema = 1;
        UPDATE sqlite_schema SET sql = replace(sql, 'x TEXT', 'x INTEGER') WHERE name = 'a';
        PRAGMA writable_schema = 0""",
    "nothing where something must be": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y);
        INSERT INTO a VALUES (1, NULL, 1);
        INSERT INTO a VALUES (2, 2, 2); PRAGMA writable_schema = 1; UPDATE sqlite_schema
        SET sql = replace(sql, 'x, y', 'x NOT NULL, y') WHERE name = 'a'; PRAGMA writable_schema = 0""",
}
_FILES = {
    "": "",
    "WAL": "PRAGMA journal_mode = wal;",
    "UTF-16": "PRAGMA encoding = 'UTF-16le';",
}
SCHEMAS = {
    f"{name}{', ' * bool(kind)}{kind}": (begun, sql) for name, sql in _TABLES.items() for kind, begun in _FILES.items()
}
"""By name: what makes the file what it is, and its tables."""


def make(path: Path, name: str) -> Path:
    """As a program leaves it that checks nothing."""
    begun, sql = SCHEMAS[name]
    db = opened(path)
    db.execute(begun).fetchall()
    db.execute(sql).fetchall()
    db.close()
    return path


def opened(path: Path) -> apsw.Connection:
    """By the program whose file it is: it has an order of its own, and no checks."""
    db = apsw.Connection(str(path))
    db.pragma("synchronous", 0)
    db.pragma("ignore_check_constraints", 1)
    db.create_collation("LOCALIZED", lambda a, b: (a.casefold() > b.casefold()) - (a.casefold() < b.casefold()))
    return db


def _rows(db: apsw.Connection, sql: str) -> list[str]:
    try:
        return sorted(map(repr, db.execute(sql)))
    except apsw.SQLError as e:  # an index of full text whose table is gone
        return [str(e)]


_OWN = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name <> 'sqlite_schema'"
_PHYSICAL = ("_data", "_idx", "_segdir", "_segments", "_node", "_parent", "_rowid")
"""Ends of names of tables where a module lays out what it holds as it likes."""


def everything(path: Path) -> dict[str, object]:
    """Every byte of every table, SQLite's own too; what is empty is not there."""
    db = opened(path)
    schema = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    found: dict[str, object] = {"": sorted(map(repr, schema))}
    for name, kind in db.execute(_OWN).fetchall():
        columns = [c for (c,) in db.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,))]
        told = ", ".join(f'typeof("{c}"), hex("{c}")' for c in columns)
        if kind != "view" and not (kind == "shadow" and str(name).endswith(_PHYSICAL)):
            found[str(name)] = _rows(db, f'SELECT {told} FROM "{name}"')
    db.close()
    return {name: rows for name, rows in found.items() if rows}
