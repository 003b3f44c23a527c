"""A team's store at size: `pending` beside 100,000 sessions, decisions of many at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from journal_builders import a_decision, a_proposal, a_thread
from shared_store import PEOPLE, Store

from sqlagent.core.nouns.session import Status
from sqlagent.store.audit import verify
from sqlagent.store.shared.journal import SharedJournal

pytestmark = pytest.mark.benchmark
WRITERS, EACH = 16, 12
WAITS = (Status.PENDING, Status.NEW, Status.UNKNOWN)


def say(*lines: str) -> None:
    """Lines of the report."""
    print("", *lines, sep="\n")


def filled(store: Store, letter: str, count: int, status: str) -> None:
    store.owner(
        "INSERT INTO sqlagent.threads (id, status, database, url, target, requested_by, turn, created_at, updated_at)"
        f" SELECT '{letter}' || n, '{status}', 'shop', 'u', 't', 'ana', 1, x, x FROM generate_series(1, {count}) AS n,"
        " LATERAL (SELECT to_char(timestamp '2026-01-01' + n * interval '1 minute', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')"
        "  || '+00:00' AS x) AS at;"
        "INSERT INTO sqlagent.turns (thread, turn, source, question, asked_by, asked_at, status)"
        f" SELECT '{letter}' || n, 1, 'ask', 'q', 'ana', '2026', '{status}' FROM generate_series(1, {count}) AS n;"
        " ANALYZE sqlagent.threads; ANALYZE sqlagent.turns"
    )


def median(work: Callable[[], object], times: int = 15) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def test_pending_beside_a_hundred_thousand_sessions(store_of: Callable[[], Store]) -> None:
    few, many = store_of(), store_of()
    for store, ended in ((few, 10), (many, 100_000)):
        filled(store, "e", ended, "executed")
        filled(store, "w", 10, "pending")
    here, there = few.of("ana"), many.of("ana")
    pairs = [
        (median(lambda: here.threads(statuses=WAITS)), median(lambda: there.threads(statuses=WAITS))) for _ in range(3)
    ]
    say(*(f"pending: {b / a:4.2f} x  ({a * 1e3:.1f} ms beside 10, {b * 1e3:.1f} ms beside 100,000)" for a, b in pairs))


def test_decisions_of_many_at_once(store: Store) -> None:
    """Every decision is one call; what 10,000 approvers need is put beside what one chain gives."""
    everybody = store.everybody()
    for n in range(WRITERS * EACH):
        everybody.admit(a_thread(id=f"d{n}"))
        everybody.propose(a_proposal(thread=f"d{n}"), number=1, turn=1)

    def decide(writer: int) -> None:
        who = PEOPLE[writer % len(PEOPLE)]
        journal = SharedJournal(store.url_of(who), store.folder)
        for n in range(writer * EACH, (writer + 1) * EACH):
            proposal = a_proposal(thread=f"d{n}")
            journal.decide(proposal, a_decision(proposal, by=who))
        journal.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(decide, range(WRITERS)))
    rate = WRITERS * EACH / (time.perf_counter() - began)
    need = 10_000 * 4 / 3600
    say(
        f"{WRITERS} writers: {rate:.0f} decisions a second, connections and clients in it",
        f"10,000 approvers who decide four times an hour: {need:.1f} a second, {need / rate:.0%} of that",
    )
    assert everybody.verified().problem == ""


@pytest.mark.parametrize(("people", "decisions"), [(200, 2_000), (10_000, 10_000)])
def test_approvers_who_all_decide(store: Store, people: int, decisions: int) -> None:
    """Each by a login of their own, on 16 connections, as a pooler would have it: what each waits, and all a second."""
    ana = store.of("ana")
    ana.admit(a_thread(id="thefirst"))
    ana.propose(a_proposal(thread="thefirst"), number=1, turn=1)
    store.owner(_PEOPLE.replace("%people", str(people)))
    for table in ("threads", "turns", "proposals"):
        store.owner(_COPIES.format(table=table, count=decisions))
    digest, waited = a_proposal(thread="thefirst").digest, [0.0] * decisions

    def decide(writer: int) -> None:
        with psycopg.connect(store.url, autocommit=True) as db:
            for n in range(writer, decisions, WRITERS):
                db.execute(f"SET SESSION AUTHORIZATION many{n % people}".encode())
                began = time.perf_counter()
                (said,) = db.execute(_DECIDE, (f"d{n + 1}.1", digest)).fetchone() or ("?",)
                waited[n] = time.perf_counter() - began
                assert said == "", said

    began = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(decide, range(WRITERS)))
    rate, slow = decisions / (time.perf_counter() - began), sorted(waited)
    say(
        f"{people:,} approvers, {decisions:,} decisions on {WRITERS} connections: {rate:.0f} a second",
        f"each waited {slow[len(slow) // 2] * 1e3:.0f} ms (median), {slow[int(len(slow) * 0.95)] * 1e3:.0f} ms (95 of"
        f" 100), {slow[-1] * 1e3:.0f} ms (the longest)",
        f"{people:,} who each decide four times an hour need {people * 4 / 3600:.1f} a second",
    )
    assert verify(ana.audit()).problem == ""
    assert len({e.who for e in ana.audit() if e.what == "approved"}) == people


_DECIDE = b"SELECT sqlagent.decide(%s, 1, 'approve', %s, 'key', '', '', 0, '[]')"
_PEOPLE = """
DO $$ BEGIN FOR n IN 0 .. %people - 1 LOOP
  IF to_regrole('many' || n) IS NULL THEN EXECUTE format('CREATE ROLE %I LOGIN IN ROLE sqlagent_people', 'many' || n);
  END IF;
END LOOP; END $$
"""
_COPIES = """
INSERT INTO sqlagent.{table} SELECT copy.* FROM sqlagent.{table} AS first, generate_series(1, {count}) AS n,
  LATERAL jsonb_populate_record(first, replace(to_jsonb(first)::text, 'thefirst', 'd' || n)::jsonb) AS copy
"""
