"""A grammar of SQLite statements, a good part of which write somewhere that a quick look does not see."""

from __future__ import annotations

import random
from collections.abc import Callable

SCHEMA = """
    ATTACH ':memory:' AS aux;
    CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, role TEXT);
    CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INT REFERENCES users(id) ON DELETE CASCADE, amount INT);
    CREATE TABLE audit(id INTEGER PRIMARY KEY, msg TEXT);
    CREATE TABLE "insert"("delete" INT, "update" INT, "a;b" INT);
    CREATE TABLE aux.far(id INTEGER PRIMARY KEY, v TEXT);
    CREATE TEMP TABLE scratch(id INTEGER PRIMARY KEY, v TEXT);
    CREATE VIRTUAL TABLE docs USING fts5(body);
    CREATE VIEW v_users AS SELECT id, name FROM users;
    CREATE TRIGGER v_ins INSTEAD OF INSERT ON v_users BEGIN INSERT INTO users(name) VALUES (new.name); END;
    CREATE TRIGGER v_upd INSTEAD OF UPDATE ON v_users BEGIN UPDATE users SET name = new.name WHERE id = old.id; END;
    CREATE TRIGGER v_del INSTEAD OF DELETE ON v_users BEGIN DELETE FROM users WHERE id = old.id; END;
    CREATE TRIGGER o_ins AFTER INSERT ON orders BEGIN INSERT INTO audit(msg) VALUES ('order'); END;
"""
_TABLES = {
    "users": ("id", "name", "role"),
    "orders": ("id", "user_id", "amount"),
    "audit": ("id", "msg"),
    "insert": ("delete", "update", "a;b"),
    "aux.far": ("id", "v"),
    "temp.scratch": ("id", "v"),
    "v_users": ("id", "name"),
}


class Grammar:
    """Statements by chance; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.depth = 0

    def statement(self) -> str:
        """One statement, sometimes two, with odd spacing, comments, case and quoting."""
        kind = self.random.choices((self.select, self.write, self.other, self.stacked), (5, 5, 1, 1))[0]
        return self._noise(kind())

    def _pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _table(self) -> tuple[str, tuple[str, ...]]:
        return self.random.choice(list(_TABLES.items()))

    def _name(self, name: str) -> str:
        """A name in one of SQLite's five spellings; those that need quotes get some."""
        parts = [self._quoted(p) for p in name.split(".")] if "." in name else [self._quoted(name)]
        return ".".join(parts)

    def _quoted(self, name: str) -> str:
        styles: list[Callable[[str], str]] = [lambda n: f'"{n}"', lambda n: f"[{n}]", lambda n: f"`{n}`"]
        if name.isidentifier() and name not in ("insert", "delete", "update") and self._chance(0.7):
            return self._pick(name, name.upper(), name.capitalize())
        return self.random.choice(styles)(name)

    def _noise(self, sql: str) -> str:
        """Spaces between words become other white space and comments; strings stay as they are."""
        pieces = sql.split(" ")
        gaps = (" ", " ", " ", " ", "\n", "\t", " /* ; DELETE */ ", " -- x\n", "/**/ ")
        return "".join(p + (self.random.choice(gaps) if "'" not in sql else " ") for p in pieces).strip()

    # ---- what reads

    def select(self) -> str:
        self.depth += 1
        table, columns = self._table()
        what = self._pick("*", "count(*)", self._name(self.random.choice(columns)), f"{self.expression(columns)} AS x")
        sql = f"SELECT {self._pick('', 'DISTINCT ')}{what} FROM {self._source(table)}"
        if self._chance(0.6):
            sql += f" WHERE {self.condition(columns)}"
        if self._chance(0.2):
            sql += " ORDER BY 1"
        if self._chance(0.2):
            sql += f" LIMIT {self.random.randint(0, 9)}"
        elif self._chance(0.15) and self.depth < 3:
            sql = f"SELECT 1 FROM {self._name(table)} {self._pick('UNION', 'UNION ALL', 'EXCEPT')} SELECT 2"
        if self._chance(0.25) and self.depth < 3:
            sql = f"WITH {self._cte()} {sql}"
        self.depth -= 1
        return sql

    def _cte(self) -> str:
        name = self._pick("users", "c", "d", "orders", "nextval")
        return f"{name}{self._pick('', '(id)')} AS (SELECT {self.random.randint(1, 9)} AS id)"

    def _source(self, table: str) -> str:
        if self._chance(0.2) and self.depth < 3:
            return f"({self.select()}) AS s"
        if self._chance(0.1):
            return f"{self._name(table)} AS t, json_each('[1, 2]') AS j"
        if self._chance(0.1):
            return f"{self._name(table)} JOIN audit AS a2 ON a2.id = {self.random.randint(1, 9)}"
        return self._name(table)

    def condition(self, columns: tuple[str, ...]) -> str:
        column = self._name(self.random.choice(columns))
        choices = [
            f"{column} = {self.random.randint(0, 9)}",
            f"{column} IN (1, 2, 3)",
            f"{column} IS NOT NULL",
            f"{column} LIKE 'delete from %; --'",
            f"{column} BETWEEN 1 AND {self.expression(columns)}",
            f"{column} IN audit" if self._chance(0.2) else f"NOT {column}",
        ]
        if self.depth < 3:
            choices.append(f"{column} IN ({self.select_one()})")
            choices.append(f"EXISTS ({self.select_one()})")
        found = self.random.choice(choices)
        return f"{found} {self._pick('AND', 'OR')} {column} > 1" if self._chance(0.2) else found

    def select_one(self) -> str:
        self.depth += 1
        table, columns = self._table()
        sql = f"SELECT {self._name(columns[0])} FROM {self._name(table)} WHERE {self.condition(columns)}"
        self.depth -= 1
        return sql

    def expression(self, columns: tuple[str, ...]) -> str:
        column = self._name(self.random.choice(columns))
        return self._pick(
            str(self.random.randint(0, 99)),
            "'text; DROP TABLE users'",
            column,
            f"upper({column})",
            f"coalesce({column}, 0) + 1",
            f"CASE WHEN {column} THEN 1 ELSE 2 END",
            f"json_object('a', {column})",
            f"(SELECT max(id) FROM {self._name('users')})",
            f"replace({column}, 'update', 'insert')",
        )

    # ---- what writes

    def write(self) -> str:
        table, columns = self._table()
        verb = self.random.choice((self._insert, self._update, self._delete))
        sql = verb(table, columns)
        if self._chance(0.3):
            sql = f"WITH {self._cte()} {sql}"
        if self._chance(0.2):
            sql += f" RETURNING {self._pick('*', self._name(columns[0]))}"
        return sql

    def _insert(self, table: str, columns: tuple[str, ...]) -> str:
        verb = self._pick("INSERT", "INSERT", "REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE")
        target = f"{verb} INTO {self._name(table)}({self._name(columns[0])})"
        if self._chance(0.15):
            return f"{verb} INTO {self._name(table)} DEFAULT VALUES"
        if self._chance(0.4):
            return f"{target} {self.select_one()}"
        sql = f"{target} VALUES ({self.random.randint(1, 9)})"
        if verb == "INSERT" and self._chance(0.4):
            first = self._name(columns[0])
            sql += f" ON CONFLICT {self._pick('DO NOTHING', f'({first}) DO UPDATE SET {first} = excluded.{first}')}"
        return sql

    def _update(self, table: str, columns: tuple[str, ...]) -> str:
        verb = self._pick("UPDATE", "UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE")
        sql = f"{verb} {self._name(table)} SET {self._name(self.random.choice(columns))} = {self.expression(columns)}"
        if self._chance(0.15):
            sql += " FROM (SELECT 1 AS one) AS f"
        return f"{sql} WHERE {self.condition(columns)}" if self._chance(0.7) else sql

    def _delete(self, table: str, columns: tuple[str, ...]) -> str:
        sql = f"DELETE FROM {self._name(table)}"
        return f"{sql} WHERE {self.condition(columns)}" if self._chance(0.7) else sql

    def other(self) -> str:
        """Statements of other kinds, most of them not harmless."""
        _, columns = self._table()
        return self._pick(
            f"CREATE TABLE made AS {self.select()}",
            f"CREATE TEMP VIEW users AS {self.select()}",
            "CREATE TRIGGER t9 AFTER INSERT ON audit BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM audit; END",
            f"CREATE INDEX i9 ON audit({self._pick('id', 'msg')})",
            f"DROP {self._pick('TABLE IF EXISTS audit', 'VIEW v_users', 'TRIGGER o_ins')}",
            "ALTER TABLE audit ADD COLUMN extra",
            "ALTER TABLE audit RENAME TO audit2",
            f"PRAGMA {self._pick('user_version = 3', 'table_info(users)', 'main.user_version', 'application_id(4)')}",
            f"EXPLAIN {self._pick('QUERY PLAN ', '')}{self._pick(self.select(), self.write())}",
            f"{self._pick('SAVEPOINT', 'RELEASE')} s",
            self._pick("BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK"),
            self._pick("REINDEX", "ANALYZE", "VACUUM", "REINDEX users", "ANALYZE audit"),
            f"INSERT INTO docs(docs) VALUES ('{self._pick('rebuild', 'optimize')}')",
            f"VALUES ({self.expression(columns)})",
        )

    def stacked(self) -> str:
        first, second = (self.random.choice((self.select, self.write))() for _ in range(2))
        return f"{first} ; {second}"
