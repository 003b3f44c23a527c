"""A changeset read thousands of records at a time says what the same changeset says value by value."""

from __future__ import annotations

import hashlib
import random
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlagent.databases.changes.multiset_hash import MultisetHash
from sqlagent.databases.sqlite.effect.changeset import DELETE, INSERT, OPERATIONS, Table, blocks, written
from sqlagent.databases.sqlite.effect.changeset_summary import read
from sqlagent.databases.sqlite.effect.duplicate_rows import without_duplicates
from sqlagent.databases.sqlite.effect.fingerprint import Form
from sqlagent.databases.sqlite.opinion.table_shapes import Tables

TABLES = "CREATE TABLE t (id INTEGER PRIMARY KEY, x, y); CREATE TABLE u (x, y); CREATE TABLE log (x, k PRIMARY KEY);"
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.text("ab\x12\x17\x09\x00T", max_size=200),
    st.binary(max_size=200),
)
rows = st.tuples(st.integers(0, 40), values, values)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few hundred records go every way that a million go."""
    monkeypatch.setattr("sqlagent.databases.sqlite.effect.changeset._WORTH_A_PATTERN", 0)
    monkeypatch.setattr("sqlagent.databases.sqlite.effect.changeset._LEARNT_AT_ONCE", 3)
    monkeypatch.setattr("sqlagent.databases.sqlite.effect.changeset._AT_ONCE", 500)
    monkeypatch.setattr("sqlagent.databases.changes.multiset_hash._SORTED_AT_ONCE", 8)


def a_session(db: apsw.Connection) -> apsw.Session:
    session = apsw.Session(db, "main")
    session.config(apsw.SQLITE_SESSION_OBJCONFIG_ROWID, 1)
    session.attach()
    return session


def a_changeset(before: list[Any], after: list[Any]) -> bytes:
    """From some rows to others, in a table with a key, one without, and one that a trigger writes to."""
    db = apsw.Connection(":memory:")
    db.execute(
        f"{TABLES} CREATE TRIGGER g AFTER DELETE ON t BEGIN REPLACE INTO log VALUES (OLD.x, OLD.id % 7); END"
    ).fetchall()
    db.executemany("REPLACE INTO t VALUES (?, ?, ?)", before).fetchall()
    session = a_session(db)
    db.execute("DELETE FROM t WHERE id % 3 = 0").fetchall()
    db.executemany("REPLACE INTO t VALUES (?, ?, ?)", after).fetchall()
    db.executemany("INSERT INTO u VALUES (?, ?)", [row[1:] for row in after]).fetchall()
    return session.changeset()


def plainly(value: bytes) -> Any:
    """One value as Python has it, with the bits of a float."""
    match value[0]:
        case 0:
            return apsw.no_change
        case 1:
            return struct.unpack(">q", value[1:])[0]
        case 2:
            return value[1:]
        case 5:
            return None
        case kind:
            begin = next(place for place in range(1, 6) if not value[place] & 0x80) + 1
            return value[begin:].decode() if kind == 3 else value[begin:]


def bits(row: tuple[Any, ...] | None) -> Any:
    return None if row is None else tuple(struct.pack(">d", v) if isinstance(v, float) else v for v in row)


def told(recorded: bytes) -> Iterator[tuple[str, str, bool, Any, Any]]:
    for table, some in blocks(recorded):
        for record in some:
            row = tuple(map(plainly, table.values(record)))
            old = None if record[0] == INSERT else row[: table.columns]
            new = None if record[0] == DELETE else row[-table.columns :]
            yield table.name, OPERATIONS[record[0]], bool(record[1]), old, new


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.lists(rows, max_size=60), st.lists(rows, max_size=60))
def check_records(before: list[Any], after: list[Any]) -> None:
    changeset = a_changeset(before, after)
    plain = [(c.name, c.op, c.indirect, bits(c.old), bits(c.new)) for c in apsw.Changeset.iter(changeset)]
    assert list(told(changeset)) == plain
    assert b"".join(t.header * (i == 0) + b"".join(r) for t, r, i in _numbered(changeset)) == changeset
    found = read(changeset)
    assert found.counts == Counter((name, op, indirect) for name, op, indirect, _, _ in plain)
    assert found.digests == dict(_slowly(changeset))
    assert Counter(c.op for c in apsw.Changeset.iter(found.some)) == Counter(op for _, op, *_ in plain)


def test_thousands_at_a_time_and_value_by_value_are_the_same() -> None:
    check_records()


def _numbered(changeset: bytes) -> Iterator[tuple[Table, list[bytes], int]]:
    seen: Counter[str] = Counter()
    for table, some in blocks(changeset):
        yield table, some, seen[table.name]
        seen[table.name] += 1


def _slowly(changeset: bytes) -> Iterator[tuple[str, bytes]]:
    """Digests as they are defined: all records of a table in order, written from what apsw reads, unmarked."""
    found: dict[str, list[bytes]] = {}
    codes = {name: code for code, name in OPERATIONS.items()}
    for c in apsw.Changeset.iter(changeset):
        row = (c.old or ()) + (c.new or ())
        body = b"".join(b"\0" if v is apsw.no_change else written(v) for v in row)
        found.setdefault(c.name, []).append(bytes([codes[c.op], 0]) + body)
    for name, some in found.items():
        yield name, hashlib.sha256(b"".join(sorted(some))).digest()


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(st.sampled_from([b"a", b"b", b"\xff", b"\x00"]), min_size=3, max_size=3).map(b"".join)),
       st.randoms(use_true_random=False))  # fmt: skip
def check_bag(some: list[bytes], source: random.Random) -> None:
    expected = hashlib.sha256(b"".join(sorted(some))).digest()
    source.shuffle(some)
    found, rest = MultisetHash(), iter(some)
    while piece := list(islice(rest, source.randint(1, 20))):
        found.add(piece)
    assert found.digest() == expected


def test_a_bag_has_one_digest_in_whatever_order_it_was_filled() -> None:
    check_bag()


def test_a_form_that_changes_nothing_is_the_record_itself() -> None:
    changeset = a_changeset([(n, "x", n) for n in range(40)], [(n, n, "y") for n in range(20, 60)])
    db = apsw.Connection(":memory:")
    db.execute(TABLES).fetchall()
    for table, some in blocks(changeset):
        form = Form(Tables(db).shape(table.name), (), {})
        assert form.is_plain
        assert [form.record(table, r) for r in some] == [r[:1] + b"\0" + r[2:] for r in some]


def test_a_text_that_is_not_utf_8_is_found_among_thousands() -> None:
    def broken(text: str) -> bool:
        db = apsw.Connection(":memory:")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x)").fetchall()
        session = a_session(db)
        db.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)"
            f"INSERT INTO t SELECT x, CASE x WHEN 217 THEN CAST({text} AS TEXT) ELSE 'd\u00e9' END FROM n"
        ).fetchall()
        return read(session.changeset()).has_broken_text

    assert not broken("'d\u00e8'")
    assert broken("x'64c328'")
    assert broken("x'ff'")


def test_a_table_whose_rows_are_surely_reported_once_has_no_doubles() -> None:
    found = Counter[bool]()
    for seed in range(120):
        source = random.Random(seed)
        db = apsw.Connection(":memory:")
        db.execute("CREATE TABLE u (x, y)").fetchall()
        db.executemany("INSERT INTO u VALUES (?, ?)", [(n, n) for n in range(source.choice((5, 80, 400)))]).fetchall()
        shape, last = Tables(db).shape("u"), Tables(db).last_number("u")
        session = a_session(db)
        sql = source.choice((
            "UPDATE u SET y = y + 1 WHERE x % 2", "DELETE FROM u WHERE x > 3", "INSERT INTO u SELECT y, x FROM u",
            "UPDATE u SET rowid = -rowid", "INSERT INTO u (rowid, x) SELECT -rowid, x FROM u",
        ))  # fmt: skip
        db.execute(sql).fetchall()
        changeset = session.changeset()
        once = "u" in read(changeset, numbered={"u": last}).once
        found[once] += 1
        if once:
            assert without_duplicates(changeset, {"u"}, {"u": shape}, {"u": last}, inserts={"u"}) is changeset, sql
    assert found[True] > 20
    assert found[False] > 20
