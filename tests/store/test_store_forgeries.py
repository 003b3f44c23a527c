# ruff: noqa: E501 - a forgery is read best as one line
"""Forged clients of the shared store: own SQL as each role, functions out of order, replays.  None of them passes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import psycopg
import pytest
from journal_builders import a_decision, a_proposal, a_thread
from shared_store import WORKER, Store

from sqlagent.core.approval.seats import POLICY
from sqlagent.core.errors import NotPermitted, Stale
from sqlagent.core.nouns.policy import Seat
from sqlagent.core.nouns.session import Choice
from sqlagent.store.journal import Marked, Refusal
from sqlagent.store.shared.journal import SharedJournal

D = a_proposal().digest
DECIDE = "SELECT sqlagent.decide('k7f3.1', 1, {choice}, {digest}, {how}, '', '', 0, '[]')"
DOCUMENT = msgspec.json.encode(a_proposal(requested_by="ana", seats=(Seat(not_requester=True),))).decode()


@pytest.fixture
def waiting(store: Store) -> Store:
    """`ana` asked, with a seat that takes somebody else; nobody has answered."""
    journal = store.of("ana")
    journal.admit(a_thread())
    journal.propose(a_proposal(seats=(Seat(not_requester=True),)), number=1, turn=1)
    return store


def attempt(store: Store, who: str, script: str) -> str:
    """What a session of its own says to a forged text; `passed` where it raised nothing."""
    with psycopg.connect(store.url_of(who), autocommit=True) as db:
        try:
            for statement in script.split(";;"):
                done = db.execute(statement.encode())
            return str(done.fetchone()) if done.description else "passed"
        except psycopg.Error as e:
            return f"refused: {e.diag.message_primary or e}"


def approved(store: Store) -> bool:
    return bool(store.owner("SELECT 1 FROM sqlagent.decisions WHERE choice = 'approve'"))


SQL = {
    "a decision of one's own": f"INSERT INTO sqlagent.decisions VALUES ('k7f3.1',1,'approve','{D}','ben','key','','',0,'[]','')",
    "a run": "INSERT INTO sqlagent.runs (id,state,marked,run_by,started_at,run_on,attempt) VALUES ('k7f3.1','done',1,'ben','','','')",
    "the requester renamed": "UPDATE sqlagent.threads SET requested_by = 'cyd'",
    "the document rewritten": "UPDATE sqlagent.proposals SET document = '{}'",
    "another SQL": "UPDATE sqlagent.proposals SET sql = 'DROP TABLE t'",
    "a thread deleted": "DELETE FROM sqlagent.threads",
    "the log rewritten": "UPDATE sqlagent.audit SET who = 'ben'",
    "the log's end deleted": "DELETE FROM sqlagent.audit WHERE number = 2",
    "the log emptied": "TRUNCATE sqlagent.audit",
    "the head set back": "UPDATE sqlagent.head SET number = 0",
    "an entry of one's own": "SELECT sqlagent.log('approved', 'k7f3', '{}')",
    "an approval by the inner function": (
        "SELECT sqlagent.put(p, sqlagent.standing(p), 'approve', 'ben', 'key', '', '', 0, '[]') FROM sqlagent.proposals p"
    ),
    "an end by the inner function": "SELECT sqlagent.ended('k7f3.1', 'done', '', '', 'committed', '{}')",
    "the owner's role": "SET ROLE sqlagent_owner",
    "a colleague's role": "SET ROLE ben",
    "a colleague's session": "SET SESSION AUTHORIZATION ben",
    "the superuser's role": "SET ROLE postgres",
    "membership": "GRANT sqlagent_workers TO ana",
    "a function made one's own": "ALTER FUNCTION sqlagent.decide SET search_path = pg_temp",
    "a function replaced": (
        "CREATE OR REPLACE FUNCTION sqlagent.is_me(who name) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    ),
    "a function beside them": "CREATE FUNCTION sqlagent.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a table beside them": "CREATE TABLE sqlagent.x (a int)",
    "a trigger on decisions": (
        "CREATE TRIGGER t AFTER INSERT ON sqlagent.decisions EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ),
    "the append-only trigger off": "ALTER TABLE sqlagent.audit DISABLE TRIGGER kept",
    "a row-level policy off": "ALTER TABLE sqlagent.threads DISABLE ROW LEVEL SECURITY",
    "triggers off for the session": "SET session_replication_role = replica",
    "the floor lowered": "DELETE FROM sqlagent.floors",
    "the floor raised": "INSERT INTO sqlagent.floors (target) VALUES ('*')",
    "seeing more": "INSERT INTO sqlagent.sees VALUES ('ana', '*')",
    "the version": "UPDATE sqlagent.version SET number = 99",
    "the schema dropped": "DROP SCHEMA sqlagent CASCADE",
    "the checkpoints' shape": "ALTER TABLE sqlagent_threads.checkpoints ADD COLUMN x int",
    "own approval": DECIDE.format(choice="'approve'", digest=f"'{D}'", how="'key'"),
    "own approval, as the policy's": DECIDE.format(choice="'approve'", digest=f"'{D}'", how="'policy'"),
    "own approval, as time's": DECIDE.format(choice="'escalate'", digest=f"'{D}'", how="'expired'"),
    "own approval of a part": DECIDE.format(choice="'partial'", digest=f"'{D}'", how="'key'"),
    "own approval, by a stage ahead": f"SELECT sqlagent.decide('k7f3.1', 2, 'approve', '{D}', 'key', '', '', 0, '[]')",
    "own approval under a shadow of the proposals": (
        "CREATE TEMP TABLE proposals AS SELECT * FROM sqlagent.proposals;;UPDATE pg_temp.proposals SET document ="
        f" replace(document, 'true', 'false');;SET search_path = pg_temp, sqlagent;;SELECT sqlagent.decide('k7f3.1', 1,"
        f" 'approve', '{D}', 'key', '', '', 0, '[]')"
    ),
    "own approval under a function of one's own": (
        "CREATE FUNCTION pg_temp.refusal(p sqlagent.proposals, now sqlagent.seat, c text, w text, h text) RETURNS text"
        " LANGUAGE sql AS $$ SELECT '' $$;;SET search_path = pg_temp, sqlagent;;SELECT sqlagent.decide('k7f3.1', 1,"
        f" 'approve', '{D}', 'key', '', '', 0, '[]')"
    ),
    "own approval under an operator of one's own": (
        "CREATE FUNCTION pg_temp.never(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;;"
        "CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.never);;"
        f"SET search_path = pg_temp, sqlagent;;SELECT sqlagent.decide('k7f3.1', 1, 'approve', '{D}', 'key', '', '', 0, '[]')"
    ),
    "a claim of what nobody approved": f"SELECT sqlagent.claim('k7f3.1', '{D}', 1, '', 'x', true)",
    "an end of what nobody began": "SELECT sqlagent.done('k7f3.1', '', '[]')",
    "a change kept of what nobody began": "SELECT sqlagent.keep('k7f3.1', 'x', '')",
    "settled while nothing is in doubt": "SELECT sqlagent.settle('k7f3.1', 'settled-applied')",
    "executed, without a run": "SELECT sqlagent.finish('k7f3', 1, 'executed', '', '', '', '[]')",
    "rejected, without a decision": "SELECT sqlagent.finish('k7f3', 1, 'rejected', '', '', '', '[]')",
    "expired, before its time": "SELECT sqlagent.expire('k7f3.1')",
    "a note that says approved": "SELECT sqlagent.note('approved', 'k7f3', '{}')",
    "a note that says committed": "SELECT sqlagent.note('committed', 'k7f3', '{}')",
    "the same id for another proposal": (
        f"SELECT sqlagent.propose('k7f3.1', 7, 1, 'WRITE', '{DOCUMENT}')"
    ),
    "a proposal in another's name": (
        f"SELECT sqlagent.propose('k7f3.2', 2, 1, 'WRITE', replace('{DOCUMENT}', '\"requested_by\":\"ana\"',"
        " '\"requested_by\":\"ben\"'))"
    ),
    "a proposal of another database": (
        f"SELECT sqlagent.propose('k7f3.2', 2, 1, 'WRITE', replace(replace('{DOCUMENT}', 'k7f3.1', 'k7f3.2'), '/srv/', '/x/'))"
    ),
    "a proposal of a turn to come": (
        f"SELECT sqlagent.propose('k7f3.2', 2, 2, 'WRITE', replace('{DOCUMENT}', 'k7f3.1', 'k7f3.2'))"
    ),
    "an example that nobody approved": "SELECT sqlagent.learn('k7f3.1', 'shop', 'q', '', 'DELETE FROM t WHERE id = 1', 'approve', '')",
}  # fmt: skip


def test_no_text_of_the_requester_s_own_forges_an_approval_or_a_run(waiting: Store) -> None:
    before = waiting.owner("SELECT document, sql, digest FROM sqlagent.proposals")
    entries = waiting.owner("SELECT number, hash FROM sqlagent.audit ORDER BY number")
    passed = {}
    for name, script in SQL.items():
        said = attempt(waiting, "ana", script)
        harmless = said.startswith(("refused", "('permit", "('stale", "('not approved", "(False"))
        if not harmless:
            passed[name] = said
        assert not approved(waiting), name
    assert passed == {}
    assert waiting.owner("SELECT document, sql, digest FROM sqlagent.proposals") == before
    assert not waiting.owner("SELECT 1 FROM sqlagent.runs")
    assert waiting.owner("SELECT number, hash FROM sqlagent.audit ORDER BY number")[: len(entries)] == entries
    assert waiting.of("ana").verified().problem == ""
    assert len(SQL) >= 40


def test_each_forgery_that_reached_a_function_of_the_store_is_on_record(waiting: Store) -> None:
    for name in ("own approval", "own approval, as the policy's", "own approval by a stage ahead"):
        attempt(waiting, "ana", SQL.get(name, SQL["own approval, by a stage ahead"]))
    attempt(waiting, "ana", SQL["a claim of what nobody approved"])
    refused = [e for e in waiting.of("ana").audit() if e.what == "refused"]
    assert [e.who for e in refused] == ["ana"] * 4


@pytest.mark.parametrize("who", ["nobody_known", "ben", WORKER])
def test_neither_a_stranger_nor_a_colleague_nor_a_worker_writes_a_table(waiting: Store, who: str) -> None:
    for name, script in list(SQL.items())[:32]:
        if name.startswith("a colleague's"):
            continue  # it is their own
        assert attempt(waiting, who, script).startswith("refused"), name


def test_a_stranger_reads_nothing_and_calls_nothing(waiting: Store) -> None:
    for script in ("SELECT * FROM sqlagent.threads", SQL["own approval"], SQL["a claim of what nobody approved"]):
        assert "permission denied" in attempt(waiting, "nobody_known", script)


# ---- one who may approve, and does more --------------------------------------------------------------------------


@pytest.fixture
def running(waiting: Store) -> Store:
    """`ben` approved it, and `ana` runs it."""
    ben, ana = waiting.of("ben"), waiting.of("ana")
    ben.decide(ben.proposal("k7f3.1"), a_decision(ben.proposal("k7f3.1"), by="ben"))
    assert ana.claim(ana.proposal("k7f3.1"), by="ana", marked=Marked.TARGET) is None
    return waiting


@pytest.mark.parametrize(
    "forgery",
    [
        "SELECT sqlagent.give_back('k7f3.1', 'released', '', '')",
        "SELECT sqlagent.give_back('k7f3.1', 'stale', '', '')",
        "SELECT sqlagent.done('k7f3.1', '', '[]')",
        "SELECT sqlagent.failed('k7f3.1', 'no', '')",
        "SELECT sqlagent.keep('k7f3.1', 'x', '')",
        "SELECT sqlagent.forget('k7f3.1', '')",
        "SELECT sqlagent.settle('k7f3.1', 'settled-not-applied')",
        "SELECT sqlagent.finish('k7f3', 1, 'executed', '', '', '', '[]')",
        "SELECT sqlagent.finish('k7f3', 1, 'failed', '', '', '', '[]')",
    ],
)
def test_nobody_but_who_runs_it_says_what_became_of_it(running: Store, forgery: str) -> None:
    assert attempt(running, "ben", forgery).startswith("refused"), forgery
    run = running.of("ana").run("k7f3.1")
    assert run is not None
    assert run.state == "started"


def test_a_process_of_the_same_login_elsewhere_takes_no_run_away_from_one_that_may_still_be_at_work(
    running: Store,
) -> None:
    elsewhere = SharedJournal(running.url_of("ana"), running.folder / "elsewhere")
    for take in (elsewhere.release, elsewhere.forget, lambda run: elsewhere.keep(run, b"x")):
        with pytest.raises(NotPermitted, match="is run by ana on"):
            take("k7f3.1")
    elsewhere.close()
    running.of("ana").release("k7f3.1")


def test_what_runs_is_not_claimed_again_by_anybody(running: Store) -> None:
    for who in ("ana", "ben", WORKER):
        assert attempt(running, who, f"SELECT sqlagent.claim('k7f3.1', '{D}', 1, '', 'other', true)") == "('taken',)"


def test_what_runs_is_not_replaced_by_another_proposal(running: Store) -> None:
    ana = running.of("ana")
    with pytest.raises(NotPermitted, match="does not fit the record"):
        ana.propose(a_proposal(2), number=2, turn=1)


def test_an_approval_is_not_used_for_another_thread_or_another_digest(running: Store) -> None:
    ana = running.of("ana")
    ana.admit(a_thread(id="m4n5"))
    copied = replace(a_proposal(thread="m4n5"), digest=D)
    ana.propose(copied, number=1, turn=1)
    assert ana.claim(copied, by="ana", marked=Marked.TARGET) is Refusal.NOT_APPROVED
    with pytest.raises(Stale):
        running.of("ben").decide(ana.proposal("m4n5.1"), a_decision(copied, by="ben", digest="0" * 64))


def test_a_colleague_puts_no_other_sql_to_people_in_the_requester_s_name(waiting: Store) -> None:
    """Else who may approve what `ana` asked could have her ask for what they like."""
    ben = waiting.of("ben")
    with pytest.raises(NotPermitted, match="did not ask for it"):
        ben.propose(a_proposal(2, sql="DROP TABLE t", seats=(Seat(not_requester=True),)), number=2, turn=1)


def test_whoever_edited_it_does_not_approve_it_even_where_the_client_does_not_say_who_did(waiting: Store) -> None:
    ben, seats = waiting.of("ben"), (Seat(not_requester=True),)
    ben.decide(ben.proposal("k7f3.1"), a_decision(ben.proposal("k7f3.1"), Choice.EDIT, by="ben", sql="DELETE FROM t"))
    edited = ben.propose(a_proposal(2, sql="DELETE FROM t", author="gpt", seats=seats), number=2, turn=1)
    with pytest.raises(NotPermitted, match="ben wrote it"):
        ben.decide(edited, a_decision(edited, by="ben"))


def test_a_decision_in_another_s_name_is_refused(waiting: Store) -> None:
    ana = waiting.of("ana")
    with pytest.raises(NotPermitted, match="ben is not who is connected"):
        ana.decide(ana.proposal("k7f3.1"), a_decision(ana.proposal("k7f3.1"), by="ben"))


def test_a_door_that_the_seat_does_not_take_is_refused_by_the_server(store: Store) -> None:
    ana = store.of("ana")
    ana.admit(a_thread())
    asked = ana.propose(a_proposal(seats=(Seat(via=("terminal",)),)), number=1, turn=1)
    with pytest.raises(NotPermitted, match="is approved by terminal, not by graph"):
        ana.decide(asked, a_decision(asked, how="graph"))
    assert ana.decide(asked, a_decision(asked, how="key")).by == "ana"


# ---- the owner's own words ---------------------------------------------------------------------------------------


def test_a_floor_of_the_store_s_owner_binds_a_client_that_asks_for_less(store: Store) -> None:
    store.owner("INSERT INTO sqlagent.floors (target, people) VALUES ('*', 2)")
    ana = store.of("ana")
    ana.admit(a_thread())
    with pytest.raises(NotPermitted, match="the store asks for 2 people"):
        ana.propose(a_proposal(), number=1, turn=1)
    store.owner("UPDATE sqlagent.floors SET people = 1")
    asked = ana.propose(a_proposal(policy="allow [mine]"), number=1, turn=1)
    ana.decide(asked, a_decision(asked, by=POLICY, how=POLICY))
    assert ana.claim(asked, by="ana", marked=Marked.TARGET) is Refusal.NOT_APPROVED


def test_a_floor_takes_members_of_its_role_alone(store: Store) -> None:
    store.owner("INSERT INTO sqlagent.floors (target, role) VALUES ('sqlite:/srv/shop.db', 'sqlagent_workers')")
    everybody = store.everybody()
    everybody.admit(a_thread())
    asked = everybody.propose(a_proposal(), number=1, turn=1)
    everybody.decide(asked, a_decision(asked, by="ben"))
    assert everybody.claim(asked, by="ana", marked=Marked.TARGET) is Refusal.NOT_APPROVED


def test_who_does_not_see_a_database_neither_reads_nor_decides_of_it(waiting: Store) -> None:
    waiting.owner("INSERT INTO sqlagent.sees VALUES ('ana', 'sqlite:/srv/shop.db'), ('ben', 'sqlite:/srv/other.db')")
    ben = waiting.of("ben")
    assert ben.threads() == ()
    tables = ("turns", "proposals", "decisions", "runs", "changes", "clarifications", "examples", "newest_examples")
    for table in tables:
        assert attempt(waiting, "ben", f"SELECT count(*) FROM sqlagent.{table}") == "(0,)", table
    assert attempt(waiting, "ben", "SELECT count(*) FROM sqlagent_threads.checkpoints") == "(0,)"
    for function in (
        DECIDE.format(choice="'approve'", digest=f"'{D}'", how="'key'"),
        f"SELECT sqlagent.claim('k7f3.1', '{D}', 1, '', 'x', true)",
        "SELECT sqlagent.answer('k7f3', 1, 1, 'x', 'key')", "SELECT sqlagent.expire('k7f3.1')",
        "SELECT sqlagent.note('shown', 'k7f3', '{}')",
        "SELECT sqlagent.ask_again('k7f3', 1, 'ask', 'and?', '')",
        "SELECT sqlagent.admit('n1','shop','u','sqlite:/srv/shop.db','','ask','q','','2026-01-01T00:00:00.000+00:00')",
    ):  # fmt: skip
        assert attempt(waiting, "ben", function).startswith("refused"), function
    assert [t.id for t in waiting.of("ana").threads()] == ["k7f3"]


def test_a_lost_connection_is_asked_again_and_counts_once(waiting: Store) -> None:
    ben = waiting.of("ben")
    proposal = ben.proposal("k7f3.1")
    waiting.owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ben'")
    said = a_decision(proposal, by="ben")
    assert ben.decide(proposal, said) == said
    assert ben.decide(proposal, said) == said
    assert [e.what for e in ben.audit()] == ["asked", "analyzed", "approved"]
