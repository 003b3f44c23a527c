"""Every screen as drawn in fixtures/screens, whole and harmless at any width and with any text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ui_builders import CANCEL, HOSTILE, a_batch, a_proposal, a_read, a_statement, check_screen, untamed

from sqlagent.core.nouns.analysis import Basis, Finding, Kind, Operation, Risk, Size, Verb
from sqlagent.core.nouns.draft import Attempt
from sqlagent.core.nouns.session import Outcome, Proposal, Report, Result, Source, Status, Thread
from sqlagent.ui.human import Body, details, diff, review, statement_view, unasked
from sqlagent.ui.layout import Block
from sqlagent.ui.listing import age, pending_footer, pending_table, receipt, sessions_table, show
from sqlagent.ui.visible import width

NOW = datetime(2026, 3, 30, 12, 2, tzinfo=UTC)


def a_thread(**changes: Any) -> Thread:
    thread = Thread(
        id="k7f3",
        status=Status.PENDING,
        database="prod",
        url="/srv/shop.db",
        target="sqlite:/srv/shop.db",
        source=Source.MODEL,
        question="cancel orders stuck in 'pending' for more than a year, please",
        requested_by="ana",
        created_at="2026-03-30T11:00:00+00:00",
        updated_at="2026-03-30T11:58:00+00:00",
        risk="SEVERE",
        stage=2,
        stages=2,
    )
    return replace(thread, **changes)


def a_report(status: Status = Status.PENDING, **changes: Any) -> Report:
    report = Report("k7f3", status, "prod", "cancel old orders", asked_at="2026-03-30T10:02:00+00:00")
    return replace(report, **changes)


THREADS = (
    a_thread(),
    a_thread(
        id="m2c9",
        question="cleanup.sql",
        requested_by="ben",
        risk="UNKNOWN",
        stage=1,
        stages=1,
        updated_at="2026-03-30T10:00:00+00:00",
    ),
    a_thread(
        id="p9d2",
        status=Status.NEW,
        question="a\nb\x1b[2J",
        risk="",
        stage=1,
        stages=1,
        updated_at="2026-03-27T10:00:00+00:00",
    ),
)

RETRIED = (Attempt("SELECT totl FROM orders", "no such column: totl"), Attempt("SELECT x", "no such column: x"))

SCREENS: dict[str, Callable[[], Block]] = {
    "review-severe": lambda: review(
        a_proposal(
            stages=2, policy="ask, 2 people  [prod-writes, policy.toml:14]", expires_at="2026-03-30T10:32:00+00:00"
        )
    ),
    "review-words": lambda: review(
        a_proposal(
            replace(
                a_read(
                    "SELECT c.name, sum(o.total)\n  FROM customers c JOIN orders o ON o.customer_id = c.id"
                    "\n GROUP BY c.id"
                ),
                words="for each customer with orders: customers.name and the sum of total",
                assumes=(
                    "40 of 420 customers have no orders and are left out",
                    "by orders.total (there are also total_before_tax, shipping_fee and discount_value of the order)",
                ),
            ),
            question="what did customers spend",
        )
    ),
    "review-read": lambda: review(a_proposal(a_read(), question="top customers by revenue")),
    "review-write": lambda: review(
        a_proposal(
            a_statement(
                "DELETE FROM sessions WHERE id = 7",
                risk=Risk.WRITE,
                kind=Kind.DELETE,
                reads=(),
                findings=(),
                operations=(Operation(Verb.DELETE, "sessions"),),
            ),
            attempts=RETRIED,
        )
    ),
    "review-unknown": lambda: review(
        a_proposal(
            a_statement(
                "VACUUM",
                risk=Risk.UNKNOWN,
                kind=Kind.MAINTENANCE,
                reads=(),
                writes=(),
                operations=(),
                findings=(Finding("opinions-differ", "The parser says WRITE, SQLite says UNKNOWN"),),
                denied="outside-database",
            )
        )
    ),
    "review-batch": lambda: review(a_batch()),
    "review-edited": lambda: review(
        a_proposal(previous=CANCEL.replace("-1 year", "-2 years"), edited_by="ana", stale="orders changed shape")
    ),
    "review-long-lines": lambda: review(
        a_proposal(
            a_statement(
                "UPDATE t SET note = '" + "word " * 40 + "'\nWHERE\tx = '" + "漢字" * 60 + "'",
                findings=(Finding("long", "It says a great deal, " * 9 + "and then some"),),
                operations=(Operation(Verb.UPDATE, "a_table_with_a_name_" * 5, "trigger of " * 9, Size(None, 9)),),
            ),
            question="a question that goes on and on, " * 5,
            database="warehouse-eu-central",
        )
    ),
    "unasked": lambda: unasked(a_proposal(a_read(), policy="allow [reads]")),
    "review-paged": lambda: review(a_proposal(), body=Body.PAGED),
    "review-narrow": lambda: review(a_batch(), columns=50),
    "details": lambda: details(a_proposal(attempts=RETRIED, note="Marks long-pending orders\nas cancelled.")),
    "details-batch": lambda: details(a_batch()),
    "statement": lambda: statement_view(a_batch(), 4, columns=80),
    "diff": lambda: diff(CANCEL, CANCEL.replace("-1 year", "-2 years") + "\nLIMIT 5"),
    "pending": lambda: pending_table(THREADS, now=NOW, columns=80) + pending_footer(THREADS, yours=("m2c9",)),
    "pending-none": lambda: pending_table((), now=NOW, columns=80) + pending_footer((), yours=()),
    "sessions": lambda: sessions_table(THREADS, now=NOW, columns=80),
    "show-pending": lambda: show(a_report(proposal=a_proposal())),
    "show-rejected": lambda: show(
        a_report(Status.REJECTED, proposal=a_proposal(), decided_by="ana", reason="too many rows")
    ),
    "show-failed": lambda: show(
        a_report(Status.FAILED, message="the model's SQL names orders.totl, which does not exist")
    ),
    "receipt-written": lambda: receipt(
        a_report(Status.EXECUTED, outcome=Outcome((Result(1, 1204), Result(2, 310)), seconds=0.1234))
    ),
    "receipt-read": lambda: receipt(
        a_report(Status.EXECUTED, outcome=Outcome((Result(1, None, 200, truncated=True),), seconds=0.004))
    ),
    "receipt-unwritten": lambda: receipt(
        a_report(Status.EXECUTED, outcome=Outcome((Result(1, 2),), unwritten="no space left on device"))
    ),
    "receipt-pending": lambda: receipt(a_report()),
    "receipt-rejected": lambda: receipt(a_report(Status.REJECTED, decided_by="ana", reason="too many rows")),
    "receipt-unknown": lambda: receipt(a_report(Status.UNKNOWN)),
}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Screens show local time; drawings are of UTC."""
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was_drawn(name: str) -> None:
    check_screen(name, str(SCREENS[name]()))


@pytest.mark.parametrize("name", [name for name in SCREENS if name != "review-narrow"])
def test_a_screen_is_no_wider_than_the_terminal(name: str) -> None:
    assert max(width(line) for line in str(SCREENS[name]()).splitlines()) <= 80


def hostile_proposal(text: str) -> Proposal:
    """`text` in every place that a model, a database or a person fills."""
    statement = a_statement(
        text,
        reads=(text,),
        writes=(text,),
        operations=(Operation(Verb.DROP, text, text, Size(1, 2, Basis.COUNTED)),),
        findings=(Finding("rule", text),),
        opinions={"engine": text},
        plan=(text,),
        words=text,
        assumes=(text,),
    )
    return a_proposal(
        statement,
        replace(statement, index=2),
        question=text,
        database=text,
        target=text,
        author=text,
        requested_by=text,
        note=text,
        policy=text,
        previous=text + "x",
        edited_by=text,
        stale=text,
        attempts=(Attempt(text, text),),
    )


def every_screen(text: str, columns: int) -> list[Block]:
    proposal = hostile_proposal(text)
    words = {"question": text, "message": text, "hint": text, "reason": text, "decided_by": text}
    report = a_report(Status.FAILED, proposal=proposal, **words)
    thread = a_thread(question=text, database=text, requested_by=text, risk=text, id=text)
    return [
        review(proposal, columns=columns),
        details(proposal, columns=columns),
        statement_view(proposal, 2, columns=columns),
        show(report, columns=columns),
        show(replace(report, proposal=None), columns=columns),
        receipt(report, columns=columns),
        pending_table((thread,), now=NOW, columns=columns) + pending_footer((thread,), yours=()),
        sessions_table((thread,), now=NOW),
    ]


@pytest.mark.parametrize("columns", [40, 80])
def test_hostile_text_on_every_screen_is_only_text(columns: int) -> None:
    for text in HOSTILE:
        for block in every_screen(text, columns):
            assert not untamed(str(block))


@pytest.mark.parametrize("columns", [40, 63, 80, 120])
@pytest.mark.parametrize(
    "sql", ["x" * 1000, "SELECT " + "a, " * 300 + "b", "漢" * 500, "\n" * 50 + "DROP TABLE t", "a\r\nb"]
)
def test_the_sql_is_whole_however_it_is_wrapped(sql: str, columns: int) -> None:
    lines = str(review(a_proposal(a_statement(sql)), columns=columns)).split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("  1"))
    end = next(i for i, line in enumerate(lines) if line.startswith("If you approve"))
    numbered = [line for line in lines[start : end - 1] if "CR LF" not in line]
    shown = "".join(("" if line[:4] == "... " else "\n") + line[4:] for line in numbered).removeprefix("\n")
    assert shown.replace(" ", "") == sql.replace("\r\n", "\n").replace(" ", "")


def test_a_line_of_the_sql_cannot_pass_for_a_line_of_the_screen() -> None:
    forged = "SELECT 1\nIf you approve\n     changes nothing\n  policy: allow"
    shown = str(review(a_proposal(a_statement(forged)))).split("\n")
    assert [line for line in shown if line == "If you approve"] == ["If you approve"]
    assert "  2 If you approve" in shown
    assert "  4   policy: allow" in shown


def test_a_write_that_names_no_effect_never_reads_as_harmless() -> None:
    shown = str(review(a_proposal(a_statement(operations=(), writes=(), risk=Risk.UNKNOWN))))
    assert "?  touch  something it does not name  ?" in shown
    assert "changes nothing" not in shown


def test_an_unknown_number_is_a_question_mark_and_never_a_zero() -> None:
    shown = str(review(a_proposal(a_statement(operations=(Operation(Verb.DELETE, "t"),)))))
    assert "-  delete  t  ?" in shown


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-03-30T12:01:30+00:00", "30s"),
        ("2026-03-30T11:58:00+00:00", "4m"),
        ("2026-03-30T10:00:00+00:00", "2h"),
        ("2026-03-27T11:00:00+00:00", "3d"),
        ("2026-03-30T13:00:00+00:00", "0s"),
        ("2026-03-30T11:58:00", "?"),
        ("yesterday", "?"),
    ],
)
def test_an_age_is_short(since: str, shown: str) -> None:
    assert age(since, NOW) == shown


@pytest.mark.parametrize("status", Status)
def test_every_status_has_its_words(status: Status) -> None:
    assert "k7f3" in str(receipt(a_report(status)))
    assert status.value in str(show(a_report(status)))
