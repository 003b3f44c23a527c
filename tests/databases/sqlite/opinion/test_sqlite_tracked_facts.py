"""Facts that are kept along while a script changes the schema are those that the whole schema would tell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlagent.databases.sqlite.opinion.schema_facts import Facts, Tracked, facts

MADE = [
    "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b (id) ON DELETE CASCADE)",
    "CREATE TABLE b (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, a INTEGER REFERENCES a (id) ON UPDATE SET NULL)",
    "CREATE TABLE IF NOT EXISTS A (other TEXT)",
    "CREATE TABLE c AS SELECT 1 AS id",
    "CREATE VIEW v AS SELECT * FROM a",
    "CREATE VIEW broken AS SELECT gone FROM nowhere",
    "CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; END",
    "CREATE INDEX i ON a (b)",
    "CREATE TEMP TABLE a (id)",
    "CREATE TEMP VIEW w AS SELECT 1",
    "CREATE VIRTUAL TABLE f USING fts5 (words)",
]
CHANGED = [
    "ALTER TABLE a ADD COLUMN extra TEXT",
    "ALTER TABLE a ADD COLUMN more INTEGER REFERENCES c (id) ON DELETE SET NULL",
    "ALTER TABLE a RENAME TO d",
    "ALTER TABLE d RENAME TO a",
    "ALTER TABLE b RENAME COLUMN id TO key",
    "DROP TABLE a",
    "DROP TABLE IF EXISTS b",
    "DROP VIEW v",
    "DROP TRIGGER t",
    "DROP TABLE f",
]


def told(known: Facts) -> dict[str, Any]:
    return {field.name: getattr(known, field.name) for field in fields(known)} | {"columns": known.names}


def carried_out(script: list[str]) -> None:
    connection = apsw.Connection("")
    tracked = Tracked(connection)
    for sql in script:
        with suppress(apsw.Error):
            connection.execute(sql)
        if sql.startswith("CREATE"):
            tracked.created()
        else:
            tracked.changed()
        assert told(tracked.facts) == told(facts(connection)), sql
    connection.close()


@settings(max_examples=60)
@given(st.lists(st.sampled_from(MADE + CHANGED), max_size=14))
def test_whatever_is_made_changed_and_dropped_they_are_the_same(script: list[str]) -> None:
    carried_out(script)


@pytest.mark.parametrize("change", CHANGED)
def test_each_change_of_a_schema_that_has_everything(change: str) -> None:
    carried_out([*MADE[:2], *MADE[3:8], change, MADE[0], MADE[9], change])
