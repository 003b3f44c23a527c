# ruff: noqa: E501  (SQL as tools write it)
"""Folders of migrations in the styles of six tools, written for tests: each file uses what those before it made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def _django(n: int) -> tuple[str, str]:
    table = f"app_model{n}"
    body = [
        "BEGIN;",
        f"--\n-- Create model Model{n}\n--",
        f'CREATE TABLE "{table}" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(100) NOT NULL, '
        '"created_at" datetime NOT NULL);',
    ]
    if n > 1:
        before = f"app_model{n - 1}"
        body += [
            f"--\n-- Alter field name on model{n - 1}\n--",
            f'CREATE TABLE "new__{before}" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(200) NOT NULL, '
            f'"created_at" datetime NOT NULL, "next_id" bigint NULL REFERENCES "{table}" ("id") DEFERRABLE INITIALLY DEFERRED);',
            f'INSERT INTO "new__{before}" ("id", "name", "created_at", "next_id") SELECT "id", "name", "created_at", NULL FROM "{before}";',
            f'DROP TABLE "{before}";',
            f'ALTER TABLE "new__{before}" RENAME TO "{before}";',
            f'CREATE INDEX "{before}_next_id_{n:08x}" ON "{before}" ("next_id");',
        ]
    return f"{n:04d}_model{n}.sql", "\n".join([*body, "COMMIT;", ""])


def _alembic(n: int) -> tuple[str, str]:
    first = "CREATE TABLE alembic_version (\n    version_num VARCHAR(32) NOT NULL, \n    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n);\n\n"
    version = (
        f"INSERT INTO alembic_version (version_num) VALUES ('{n:012x}');"
        if n == 1
        else f"UPDATE alembic_version SET version_num='{n:012x}' WHERE alembic_version.version_num = '{n - 1:012x}';"
    )
    column = f"ALTER TABLE account{n - 1} ADD COLUMN last_seen_{n} DATETIME;\n\n" if n > 1 else ""
    return f"{n:03d}_rev.sql", (
        f"BEGIN;\n\n{first if n == 1 else ''}-- Running upgrade {n - 1 or ''} -> {n:012x}\n\n"
        f"CREATE TABLE account{n} (\n    id INTEGER NOT NULL, \n    email VARCHAR(255) NOT NULL, \n"
        f"    PRIMARY KEY (id), \n    UNIQUE (email)\n);\n\n{column}{version}\n\nCOMMIT;\n\n"
    )


def _flyway(n: int) -> tuple[str, str]:
    if n % 10 == 0:
        return f"R__view_{n}.sql", (
            f"-- repeated whenever its text changes\nDROP VIEW IF EXISTS report_{n};\n"
            f"CREATE VIEW report_{n} AS SELECT id, amount FROM ledger_1 WHERE amount > {n};\n"
        )
    more = f"ALTER TABLE ledger_1 ADD COLUMN note_{n} TEXT DEFAULT '';\nUPDATE ledger_1 SET note_{n} = 'v{n}' WHERE amount > {n};\n"
    made = (
        f"CREATE TABLE ledger_{n} (id INTEGER PRIMARY KEY, amount NUMERIC NOT NULL CHECK (amount >= 0));\n"
        f"INSERT INTO ledger_{n} (id, amount) VALUES (1, 10), (2, 20);\n"
    )
    return f"V{n // 10 + 1}.{n % 10}__step_{n}.sql", f"/* step {n} */\n{made}{more if n > 1 else ''}"


def _rails(n: int) -> tuple[str, str]:
    made = (
        'CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);\n' if n == 1 else ""
    )
    reference = (
        f'ALTER TABLE "posts{n}" ADD "author_id" integer DEFAULT NULL CONSTRAINT "fk_{n}" REFERENCES "posts{n - 1}" ("id");\n'
        if n > 1
        else ""
    )
    return f"{20240101000000 + n}_create_posts{n}.sql", (
        f'{made}CREATE TABLE IF NOT EXISTS "posts{n}" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "title" varchar, '
        f'"created_at" datetime(6) NOT NULL);\n{reference}'
        f'CREATE UNIQUE INDEX "index_posts{n}_on_title" ON "posts{n}" ("title");\n'
        f"""INSERT INTO "schema_migrations" (version) VALUES\n('{20240101000000 + n}');\n"""
    )


def _dbmate(n: int) -> tuple[str, str]:
    extra = f"ALTER TABLE things_{n - 1} ADD COLUMN next_{n} INTEGER;\n" if n > 1 else ""
    back = f"ALTER TABLE things_{n - 1} DROP COLUMN next_{n};\n" if n > 1 else ""
    return f"{20240201000000 + n}_things.sql", (
        f"-- migrate:up\nCREATE TABLE things_{n} (id INTEGER PRIMARY KEY, label TEXT);\n{extra}"
        f"CREATE TRIGGER things_{n}_touch AFTER UPDATE ON things_{n} BEGIN\n"
        f"  UPDATE things_{n} SET label = trim(NEW.label) WHERE id = NEW.id;\nEND;\n\n"
        f"-- migrate:down\n{back}DROP TABLE things_{n};\n"
    )


def _golang(n: int) -> tuple[str, str]:
    number = (n + 1) // 2
    if n % 2:
        return f"{number:06d}_users.up.sql", (
            f"START TRANSACTION;\n\nCREATE TABLE IF NOT EXISTS users_{number} (id INTEGER PRIMARY KEY, email TEXT UNIQUE);\n"
            f"CREATE INDEX idx_users_{number} ON users_{number} (email);\n\nCOMMIT;\n"
        )
    return (
        f"{number:06d}_users.down.sql",
        f"BEGIN;\nDROP INDEX idx_users_{number};\nDROP TABLE IF EXISTS users_{number};\nCOMMIT;\n",
    )


TOOLS: dict[str, Callable[[int], tuple[str, str]]] = {
    "django": _django,
    "alembic": _alembic,
    "flyway": _flyway,
    "rails": _rails,
    "dbmate": _dbmate,
    "golang-migrate": _golang,
}


def write_folder(folder: Path, tool: str, *, files: int) -> int:
    """So many migrations in one tool's style; answers how many files there are."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(1, files + 1):
        name, text = TOOLS[tool](n)
        (folder / name).write_text(text)
    return files
