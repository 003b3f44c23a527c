"""Whoever sees some databases of a shared store alone, and a store that an older program made."""

from __future__ import annotations

import psycopg
import pytest
from journal_builders import a_thread
from langgraph.checkpoint.postgres import PostgresSaver
from shared_store import Store

from sqlagent.core.errors import Altered, StoreError
from sqlagent.store.audit import Head
from sqlagent.store.shared.connection import VERSION
from sqlagent.store.shared.setup import scripts, upgrade


def test_who_sees_a_part_of_the_record_can_tell_that_it_was_not_changed(store: Store) -> None:
    both = store.everybody()
    for place, target in enumerate(["shop", "other", "shop", "other"]):
        both.admit(a_thread(id=f"t{place}", target=f"sqlite:/srv/{target}.db"))
    kept = both.head()
    store.owner("INSERT INTO sqlagent.sees VALUES ('ana', '*'), ('ben', 'sqlite:/srv/shop.db')")
    ben = store.of("ben")
    assert ben.whole("t2").row.id == "t2"
    ben.require_sealed("t2")
    checked = ben.verified(kept)
    assert (checked.problem, checked.entries, str(checked.head)) == ("", 2, str(kept))
    with ben.reading() as db:
        assert "t1" not in str(db.execute("SELECT * FROM links").fetchall())
    assert "is not the one you kept" in ben.verified(Head(2, "0" * 64)).problem
    store.owner(
        "ALTER TABLE sqlagent.audit DISABLE TRIGGER USER; UPDATE sqlagent.audit SET who = 'cyd' WHERE number = 3"
    )
    assert "entry 3 was changed" in ben.verified().problem
    with pytest.raises(Altered, match="entry 3"):
        ben.whole("t2")
    store.owner("DELETE FROM sqlagent.audit WHERE number = 2")
    assert ben.verified().problem != ""


def test_a_store_of_the_first_version_is_brought_up_to_date_with_what_is_in_it(store: Store) -> None:
    store.owner("DROP SCHEMA sqlagent CASCADE; DROP SCHEMA sqlagent_threads CASCADE")
    with psycopg.connect(store.url) as db:
        db.execute(scripts()[0][2].encode())
        db.execute(b"SET SESSION AUTHORIZATION ana")
        db.execute(
            b"SELECT sqlagent.admit('k7f3', 'shop', 'u', 'sqlite:/srv/shop.db', '', 'ask', 'q', '', %s)",
            (a_thread().created_at,),
        )
    with pytest.raises(StoreError, match=f"is of version 1, and this sqlagent needs {VERSION}") as old:
        store.of("ana").threads()
    assert old.value.hint == "its owner: sqlagent store upgrade URL"
    assert upgrade(store.url, lambda db: PostgresSaver(db).setup()) == (1, VERSION)
    ana = store.of("ana")
    assert ana.whole("k7f3").row.question == "q"
    assert (ana.verified().entries, ana.verified().problem) == (1, "")
    assert [number for number, _, _ in scripts()] == list(range(1, VERSION + 1))


def test_a_dba_who_runs_the_printed_sql_by_hand_has_made_the_store(store: Store) -> None:
    store.owner("DROP SCHEMA sqlagent CASCADE; DROP SCHEMA sqlagent_threads CASCADE")
    with psycopg.connect(store.url) as db:  # as `psql -1` does, in one transaction
        db.execute("\n".join(text for _, _, text in scripts()).encode())
    assert upgrade(store.url, lambda db: PostgresSaver(db).setup()) == (VERSION, VERSION)  # LangGraph's tables
    ana = store.of("ana")
    ana.admit(a_thread())
    assert ana.whole("k7f3").row.requested_by == "ana"
    assert ana.verified().problem == ""
