"""Schemas, writes made at random from a seed, and the plain truth to hold an effect against: a diff of everything."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import apsw

SCHEMAS: dict[str, str] = {
    "rowid alias": "CREATE TABLE a (id INTEGER PRIMARY KEY, x, y TEXT)",
    "no key": "CREATE TABLE a (x, y TEXT, z REAL)",
    "no key, unique": "CREATE TABLE a (x UNIQUE, y)",
    "text key": "CREATE TABLE a (k TEXT PRIMARY KEY, x, y)",
    "text key, not null": "CREATE TABLE a (k TEXT PRIMARY KEY NOT NULL, x, y)",
    "two keys": "CREATE TABLE a (j, k INT, x, PRIMARY KEY (k, j))",
    "descending": "CREATE TABLE a (k INTEGER PRIMARY KEY DESC, x)",
    "without rowid": "CREATE TABLE a (k, j INT, x, y, PRIMARY KEY (k, j)) WITHOUT ROWID",
    "autoincrement": "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x, y)",
    "generated": """CREATE TABLE a (id INTEGER PRIMARY KEY, x INT, twice GENERATED ALWAYS AS (x * 2) STORED, y,
        z AS (y || x))""",
    "generated, no key": "CREATE TABLE a (g AS (x || 'g'), x, y)",
    "strict": "CREATE TABLE a (id INTEGER PRIMARY KEY, x INT, y TEXT, z ANY) STRICT",
    "replace on conflict": "CREATE TABLE a (id INTEGER PRIMARY KEY, x UNIQUE ON CONFLICT REPLACE, y)",
    "cascade": """CREATE TABLE a (id INTEGER PRIMARY KEY, x);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a_id REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE, y)""",
    "cascade twice": """CREATE TABLE a (id INTEGER PRIMARY KEY, x);
        CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INT REFERENCES a ON DELETE CASCADE);
        CREATE TABLE c (b_id INT REFERENCES b ON DELETE CASCADE, y)""",
    "set null": """CREATE TABLE a (id INTEGER PRIMARY KEY, x UNIQUE);
        CREATE TABLE b (k TEXT PRIMARY KEY, a_x REFERENCES a (x) ON DELETE SET NULL ON UPDATE CASCADE)""",
    "set default": """CREATE TABLE a (id INTEGER PRIMARY KEY, x);
        CREATE TABLE b (y, a_id DEFAULT 1 REFERENCES a ON DELETE SET DEFAULT)""",
    "tree": """CREATE TABLE a (id INTEGER PRIMARY KEY, up INT DEFAULT NULL REFERENCES a ON DELETE CASCADE, x);
        INSERT INTO a VALUES (1, NULL, 1), (2, 1, 'a'), (3, 2, 'b'), (4, 1, 'c')""",
    "audit": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE TABLE b (what, old, new);
        CREATE TRIGGER t1 AFTER UPDATE ON a BEGIN INSERT INTO b VALUES ('update', OLD.x, NEW.x); END;
        CREATE TRIGGER t2 AFTER DELETE ON a BEGIN INSERT INTO b VALUES ('delete', OLD.x, NULL); END;
        CREATE TRIGGER t3 AFTER INSERT ON a BEGIN INSERT INTO b VALUES ('insert', NULL, NEW.x); END""",
    "counter": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE TABLE b (k PRIMARY KEY, n INT);
        INSERT INTO b VALUES ('rows', 0);
        CREATE TRIGGER t1 AFTER INSERT ON a BEGIN UPDATE b SET n = n + 1; END;
        CREATE TRIGGER t2 BEFORE DELETE ON a BEGIN UPDATE b SET n = n - 1; END""",
    "touch": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y, edits INT DEFAULT 0);
        CREATE TRIGGER t AFTER UPDATE OF x, y ON a BEGIN UPDATE a SET edits = edits + 1 WHERE id = NEW.id; END""",
    "trigger deletes": """CREATE TABLE a (id INTEGER PRIMARY KEY, x);
        CREATE TABLE b (k, x, PRIMARY KEY (k)) WITHOUT ROWID; INSERT INTO b VALUES (1, 1), (2, 2), (3, 3);
        CREATE TRIGGER t AFTER UPDATE ON a BEGIN DELETE FROM b WHERE k = NEW.x;
          REPLACE INTO b VALUES (OLD.id, 9); END""",
    "view": """CREATE TABLE a (id INTEGER PRIMARY KEY, x, y); CREATE VIEW v AS SELECT id, x FROM a WHERE id > 1;
        CREATE TRIGGER t INSTEAD OF UPDATE ON v BEGIN UPDATE a SET x = NEW.x WHERE id = OLD.id; END;
        CREATE TRIGGER u INSTEAD OF DELETE ON v BEGIN DELETE FROM a WHERE id = OLD.id; END""",
    "full text": "CREATE VIRTUAL TABLE a USING fts5(x, y)",
    "full text 4": "CREATE VIRTUAL TABLE a USING fts4(x, y)",
    "full text of a table": """CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT, y);
        CREATE VIRTUAL TABLE f USING fts5(x, content = 'a', content_rowid = 'id');
        CREATE TRIGGER t1 AFTER INSERT ON a BEGIN INSERT INTO f (rowid, x) VALUES (NEW.id, NEW.x); END;
        CREATE TRIGGER t2 AFTER DELETE ON a BEGIN INSERT INTO f (f, rowid, x) VALUES ('delete', OLD.id, OLD.x); END;
        CREATE TRIGGER t3 AFTER UPDATE ON a BEGIN INSERT INTO f (f, rowid, x) VALUES ('delete', OLD.id, OLD.x);
          INSERT INTO f (rowid, x) VALUES (NEW.id, NEW.x); END""",
    "r*tree": "CREATE VIRTUAL TABLE a USING rtree(id, low, high)",
    "odd names": 'CREATE TABLE "a b" ("select" INTEGER PRIMARY KEY, "x""y", "ключ" TEXT)',
    "rowid is a column": "CREATE TABLE a (rowid TEXT, x)",
}
_VALUES = (
    "NULL",
    "0",
    "1",
    "2",
    "3",
    "4",
    "7",
    "-1",
    "1.5",
    "1.0",
    "'a'",
    "'b'",
    "'long text'",
    "''",
    "x'0041'",
    "x''",
)
_LISTED = (
    "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)
_FILLING = 12


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Writes:
    """A source of statements for one database; the same seed gives the same ones."""

    def __init__(self, path: Path, seed: object) -> None:
        self._random = random.Random(f"{seed}")
        db = apsw.Connection(str(path))
        kinds = {str(n): str(t) for n, t, _ in db.execute(_LISTED).fetchall()}
        self._columns = {
            name: [str(c) for (c,) in db.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,))]
            for name, kind in kinds.items()
            if kind != "shadow" and name != "f"
        }
        db.close()

    def fill(self) -> list[str]:
        """To begin with; some of them fail."""
        return [self._insert(name, "") for name in self._columns if name != "v" for _ in range(_FILLING)]

    def statement(self) -> str:
        name = self._random.choice(list(self._columns))
        make = self._random.choice((self._insert, self._insert, self._update, self._update, self._delete))
        return make(name, self._random.choice(("", "", "", " OR REPLACE", " OR IGNORE")))

    def _value(self, columns: list[str]) -> str:
        kind = self._random.random()
        column = quoted(self._random.choice(columns))
        if columns and kind < 0.2:
            return f"{column} || 'x'" if kind < 0.1 else f"{column} + {self._random.choice((1, 10, -1))}"
        return self._random.choice(_VALUES)

    def _where(self, name: str) -> str:
        column = quoted(self._random.choice(self._columns[name]))
        kind = self._random.choice(("", "=", "<", ">", "<>", "IS", "IN"))
        if kind == "":
            return ""
        if kind == "IN":
            return f" WHERE {column} IN (1, 2, 'a', NULL)"
        return f" WHERE {column} {kind} {self._random.choice(_VALUES)}"

    def _insert(self, name: str, conflict: str) -> str:
        columns = self._columns[name]
        some = [c for c in columns if self._random.random() < 0.7] or columns[:1]
        if self._random.random() < 0.15:
            listed = ", ".join(map(quoted, columns))
            picked = ", ".join(quoted(c) if self._random.random() < 0.7 else self._value(columns) for c in columns)
            return f"INSERT{conflict} INTO {quoted(name)} ({listed}) SELECT {picked} FROM {quoted(name)}"
        rows = ", ".join(
            "(" + ", ".join(self._random.choice(_VALUES) for _ in some) + ")" for _ in range(self._random.randint(1, 3))
        )
        sql = f"INSERT{conflict} INTO {quoted(name)} ({', '.join(map(quoted, some))}) VALUES {rows}"
        if not conflict and self._random.random() < 0.25 and name != "v":
            column = quoted(self._random.choice(columns))
            return f"{sql} ON CONFLICT DO UPDATE SET {column} = excluded.{column}"
        return sql

    def _update(self, name: str, conflict: str) -> str:
        columns = self._columns[name]
        chosen = self._random.sample(columns, k=min(len(columns), self._random.randint(1, 2)))
        sets = ", ".join(f"{quoted(c)} = {self._value(columns)}" for c in chosen)
        return f"UPDATE{conflict} {quoted(name)} SET {sets}{self._where(name)}"

    def _delete(self, name: str, _: str) -> str:
        return f"DELETE FROM {quoted(name)}{self._where(name)}"


# ---- the plain truth ------------------------------------------------------------------------------------------------

Content = dict[str, dict[Any, Any]]


def content(db: apsw.Connection) -> Content:
    """Every row of every table by its key; by its number where it has no key, or NULL in it."""
    found: Content = {}
    for name, kind, without_rowid in db.execute(_LISTED).fetchall():
        if kind in ("table", "virtual"):
            found[str(name)] = _rows(db, str(name), bool(without_rowid))
    return found


def _rows(db: apsw.Connection, name: str, without_rowid: bool) -> dict[Any, Any]:
    columns = db.execute("SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,)).fetchall()
    keys = [place for place, (_, pk) in enumerate(columns) if pk]
    free = [n for n in ("rowid", "_rowid_", "oid") if n not in [str(c).lower() for c, _ in columns]]
    number = "NULL" if without_rowid else free[0]
    listed = ", ".join([number, *(quoted(str(c)) for c, _ in columns)])
    found = {}
    for rowid, *values in db.execute(f"SELECT {listed} FROM {quoted(name)}").fetchall():
        key = tuple(values[place] for place in keys)
        by_number = not keys or (None in key and not without_rowid)
        row = tuple((type(v).__name__, v) for v in values)
        found["rowid" if by_number else "key", rowid if by_number else tuple((type(k), k) for k in key)] = row
    return found


def difference(before: Content, after: Content) -> Counter[tuple[str, str]]:
    """How many rows of each table were inserted, updated and deleted."""
    found: Counter[tuple[str, str]] = Counter()
    for name in before.keys() | after.keys():
        old, new = before.get(name, {}), after.get(name, {})
        for key in old.keys() | new.keys():
            if key not in old:
                found[name, "insert"] += 1
            elif key not in new:
                found[name, "delete"] += 1
            elif old[key] != new[key]:
                found[name, "update"] += 1
    return found


def content_of(path: Path) -> Content:
    db = apsw.Connection(str(path))
    try:
        return content(db)
    finally:
        db.close()


def without_numbers(found: Content) -> Any:
    """Rows of a table as a bag: the number of a row that has a key is nobody's content."""
    return {name: Counter(rows.values()) for name, rows in found.items()}


def run_bare(path: Path, sql: str) -> str:
    """Without anything of ours; the engine's complaint, or nothing."""
    db = apsw.Connection(str(path))
    db.pragma("foreign_keys", 1)
    db.pragma("synchronous", 0)
    try:
        db.execute(f"BEGIN; {sql}; COMMIT").fetchall()
    except apsw.Error as e:
        return str(e)
    finally:
        db.close(force=True)
    return ""
