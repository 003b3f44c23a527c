"""The journal: what was asked, proposed, decided and run.  It is the truth; a checkpoint is its projection."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from sqlagent.core.errors import UnknownThread
from sqlagent.core.nouns.draft import Attempt, Turn
from sqlagent.core.nouns.session import Source, Status, Thread
from sqlagent.store.deciding import Deciding
from sqlagent.store.examples import learn_in
from sqlagent.store.rows import THREADS, Marked, Refusal, Run, RunState, thread_of
from sqlagent.store.run_claims import Runs
from sqlagent.store.whole import Whole, whole_in

__all__ = ["Journal", "Marked", "Refusal", "Run", "RunState"]
Alike = tuple[str, str, str]
"""Question, SQL and run of an example."""


class Journal(Deciding, Runs):
    """Sessions and their turns, with what `Deciding` and `Runs` keep of them."""

    def admit(self, thread: Thread) -> bool:
        """Record a thread before its first step; False where the id is taken already."""
        with self.writing("a thread") as db:
            if db.execute("SELECT 1 FROM threads WHERE id = ?", (thread.id,)).fetchone():
                return False
            db.execute(
                "INSERT INTO threads (id, status, database, url, target, requested_by, model, turn, created_at,"
                " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
                (thread.id, Status.NEW, thread.database, thread.url, thread.target, thread.requested_by, thread.model,
                 thread.created_at, thread.created_at),
            )  # fmt: skip
            self._add_turn(db, thread.id, 1, thread.source, thread.question, thread.sql, thread.requested_by)
            self.log(
                db, "asked", thread.requested_by, thread.id, database=thread.database, target=thread.target,
                source=thread.source, question=thread.question,
                tells_of=[("threads", thread.id), ("turns", thread.id, 1)],
            )  # fmt: skip
        return True

    def ask_again(self, thread: str, *, expected_turn: int, source: Source, question: str, sql: str, by: str) -> bool:
        """Begin another turn of a thread whose turn `expected_turn` has ended; False where somebody else did."""
        with self.writing("a question") as db:
            turn = db.execute(
                "UPDATE threads SET turn = turn + 1, status = 'new', proposal = '', message = '', hint = '', asks = '',"
                " updated_at = ? WHERE id = ? AND turn = ? AND status NOT IN ('new', 'pending', 'unknown')"
                " RETURNING turn",
                (self.time(), thread, expected_turn),
            ).get
            if turn is None:
                return False
            self._add_turn(db, thread, turn, source, question, sql, by)
            self.log(
                db, "asked", by, thread, turn=turn, source=source, question=question,
                tells_of=[("turns", thread, int(turn))],
            )  # fmt: skip
        return True

    def _add_turn(
        self, db: apsw.Connection, thread: str, turn: int, source: Source, question: str, sql: str, by: str
    ) -> None:
        db.execute(
            "INSERT INTO turns (thread, turn, source, question, sql, asked_by, asked_at, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'new')",
            (thread, turn, source, question, sql, by, self.time()),
        )

    def thread(self, thread: str) -> Thread:
        """Raises UnknownThread, with the nearest id as the hint."""
        with self.reading() as db:
            row = db.execute(THREADS + "WHERE t.id = ?", (thread,)).fetchone()
            if row is not None:
                return thread_of(row)
        raise UnknownThread(f"no thread named {thread}", hint=self._nearest(thread))

    def whole(self, thread: str) -> Whole:
        """A thread with all that is told of it.

        Raises UnknownThread as `thread` does, and `Altered` where something of it is not as the log has it.
        """
        with self.at_once() as db:
            found = whole_in(db, thread)
        if found is None:
            raise UnknownThread(f"no thread named {thread}", hint=self._nearest(thread))
        return found

    def _nearest(self, thread: str) -> str:
        """What was probably meant, among the newest."""
        from difflib import get_close_matches  # only needed once something is wrong

        with self.reading() as db:
            ids = [row[0] for row in db.execute("SELECT id FROM threads ORDER BY updated_at DESC LIMIT 1000")]
        near = get_close_matches(thread.lower(), ids, n=1, cutoff=0.7)
        return f"did you mean {near[0]}?" if near else "sqlagent sessions lists them"

    def threads(self, *, statuses: Sequence[Status] = (), limit: int = 50) -> tuple[Thread, ...]:
        """The newest first; all of them where no status is named; `limit` -1 for every one."""
        every = "SELECT id, updated_at FROM threads"
        # One SELECT a status: each comes sorted out of its index, and no more of them is read than is wanted.
        chosen = " UNION ALL ".join(f"{every} WHERE status = ?" for _ in statuses) or every
        newest = f"SELECT id FROM ({chosen} ORDER BY updated_at DESC LIMIT ?)"  # noqa: S608 - all of it is ours
        with self.reading() as db:
            rows = db.execute(
                f"{THREADS} WHERE t.id IN ({newest}) ORDER BY t.updated_at DESC", (*statuses, limit)
            ).fetchall()
            return tuple(map(thread_of, rows))

    def history(self, thread: str) -> tuple[Turn, ...]:
        """Earlier turns of the conversation that ran, oldest first."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT question, ran_sql, coalesce((SELECT p.document ->> '$.author' FROM proposals p"
                "   WHERE p.thread = t.thread AND p.turn = t.turn ORDER BY p.number DESC LIMIT 1), '')"
                " FROM turns t WHERE thread = ? AND status = 'executed' AND ran_sql <> '' ORDER BY turn",
                (thread,),
            ).fetchall()
        return tuple(Turn(str(question), str(sql), str(author)) for question, sql, author in rows)

    def attempts(self, thread: str, turn: int) -> tuple[Attempt, ...]:
        """What the model drafted in a turn before what is shown, and why each was not it."""
        with self.reading() as db:
            found = db.execute("SELECT attempts FROM turns WHERE thread = ? AND turn = ?", (thread, turn)).get
            return msgspec.json.decode(found, type=tuple[Attempt, ...]) if found else ()

    def finish(
        self, thread: str, turn: int, status: Status, *, message: str = "", hint: str = "", ran_sql: str = "",
        attempts: Sequence[Attempt] = (), learn: bool = False,
    ) -> None:  # fmt: skip
        """Record how a turn ended, and `learn` from what people said of it; recording it twice changes nothing."""
        with self.writing("an ending") as db:
            db.execute(
                "UPDATE threads SET status = ?, message = ?, hint = ?, asks = '', updated_at = ?"
                " WHERE id = ? AND turn = ?",
                (status, message, hint, self.time(), thread, turn),
            )
            db.execute(
                "UPDATE turns SET status = ?, ran_sql = ?, attempts = ? WHERE thread = ? AND turn = ?",
                (status, ran_sql, msgspec.json.encode(attempts).decode(), thread, turn),
            )
            if status in _ENDS_WORTH_A_LINE:
                self.log(db, status, "", thread, turn=turn, because=message)
            if learn:
                learn_in(db, thread, turn)

    # ---- notices and examples ------------------------------------------------------------------------------------

    def claim_notice(self, proposal: str, stage: int) -> bool:
        """The one right to tell people of a seat; False where somebody has it."""
        with self.writing("a notice") as db:
            db.execute("INSERT INTO notices VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (proposal, stage, self.time()))
            return db.changes() == 1

    def alike(self, words: Sequence[str], *, target: str, thread: str, longest: int, limit: int) -> tuple[Alike, ...]:
        """Examples of a database that share most of these words, the closest first, and none of a thread's own."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT e.question, e.final, e.run FROM examples_by_words w JOIN newest_examples e ON e.id = w.rowid"
                " WHERE examples_by_words MATCH ?1 AND e.target = ?2 AND length(e.question) + length(e.final) <= ?3"
                "   AND e.run NOT IN (SELECT id FROM proposals WHERE thread = ?4)"
                " ORDER BY bm25(examples_by_words), e.approved_at DESC, e.id DESC LIMIT ?5",
                # Each word stands in quotes, where FTS5 has no operators, so that any text is a safe query.
                (" OR ".join(f'"{word}"' for word in words), target, longest, thread, limit),
            ).fetchall()
        return tuple(rows)

    def forget_examples(self, ids: Sequence[int] | None, *, by: str, target: str) -> int:
        """Drop these, or every one (of a database, where it is named); answers how many."""
        chosen = msgspec.json.encode(ids).decode()
        with self.writing("a forgetting of examples") as db:
            db.execute(
                "DELETE FROM examples WHERE (?1 = '' OR target = ?1)"
                " AND (?2 = 'null' OR id IN (SELECT value FROM json_each(?2)))",
                (target, chosen),
            )
            gone = db.changes()
            if gone:
                self.log(db, "forgot", by, "", target=target, examples=f"all {gone}" if ids is None else list(ids))
            return gone


_ENDS_WORTH_A_LINE = frozenset({Status.DENIED, Status.EXPIRED, Status.FAILED, Status.UNKNOWN})
"""What a decision or a run has not put on record already."""
