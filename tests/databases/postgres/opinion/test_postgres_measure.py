"""How many reads of PostgreSQL's own tests are proven with a connection, and that nothing harmful is: a long run."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from checkout import ROOT
from postgres_server import Pg

from sqlagent.core.analyze import judge, parse
from sqlagent.core.nouns.analysis import Risk, Size
from sqlagent.databases.base import Database
from sqlagent.databases.open import open_database

DATA = ROOT.parent / "shared" / "measure" / "dev" / "postgres.jsonl.xz"
"""Third-party SQL, labelled by the server itself; read where it is."""
UNMADE = ("subscription", "tablespace", "database", "drop ", "role ", "user ", "owner", "alter system")


def rows() -> list[dict[str, Any]]:
    if not DATA.is_file():
        pytest.skip("the labelled statements are not here")
    with lzma.open(DATA, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def made(pg: Pg, statements: list[dict[str, Any]]) -> None:
    """As much of their schema as their own statements make."""
    session = psycopg.connect(pg.url, autocommit=True)
    for row in statements:
        if row["label"] == "ddl" and not any(word in row["sql"].lower() for word in UNMADE):
            with suppress(psycopg.Error):
                session.execute(row["sql"].encode())
            if session.closed:
                session = psycopg.connect(pg.url, autocommit=True)
    session.close()


def risk(db: Database, sql: str) -> Risk | None:
    """None where the server does not know what it speaks of: not all of the schema is here."""
    syntax = parse(sql, "postgres")
    engine = db.inspect([each.sql for each in syntax])
    if not syntax or any(each.error for each in engine):
        return None
    return max(judge(i, a, b, Size()).risk for i, (a, b) in enumerate(zip(syntax, engine, strict=True)))


def calls_others(db: Database, sql: str) -> bool:
    """Whether it calls what somebody wrote, which nobody can prove to read."""
    return "public." in db.inspect([sql])[0].why


@pytest.mark.long
def test_with_a_connection_97_percent_of_pure_reads_are_proven_and_nothing_that_does_harm(
    pg_of: Callable[[str], Pg],
) -> None:
    statements = rows()
    pg = pg_of("")
    made(pg, statements)
    db = open_database(pg.url, name="measured")
    reads: Counter[str] = Counter()
    harmful: list[str] = []
    for row in statements:
        found = risk(db, row["sql"])
        if found is None:
            continue
        if not row["safe_unattended"]:
            harmful += [row["sql"]] if found is Risk.READ else []
        elif row["label"] == "read" and not calls_others(db, row["sql"]):
            reads["proven" if found is Risk.READ else "asked"] += 1
    db.close()
    print(f"\n{reads['proven']} of {reads.total()} pure reads are proven; {len(harmful)} that do harm")

    assert harmful == []
    assert reads["proven"] >= 0.97 * reads.total() > 900
