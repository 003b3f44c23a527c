"""Two lines for what went wrong, one code for scripts, and no secret in either."""

from __future__ import annotations

import io
import json

import pytest
from ui_builders import HOSTILE, untamed

from sqlagent.core import errors
from sqlagent.core.nouns.session import Status
from sqlagent.ui.diagnostics import (
    ExitCode,
    Saying,
    Traces,
    exit_code_for,
    exit_code_of,
    redacted,
    report_error,
    secrets_of,
)

EVERY_ERROR = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
CODES = {
    "SqlagentError": 1,
    "UsageError": 2,
    "ConfigError": 2,
    "ConnectError": 3,
    "AuthError": 4,
    "ModelError": 1,
    "QueryError": 1,
    "StoreError": 1,
    "UnknownThread": 2,
    "Busy": 1,
    "Denied": 6,
    "Rejected": 5,
    "Stale": 7,
    "NeedsApproval": 8,
    "NotPermitted": 8,
    "OutcomeUnknown": 9,
    "TimedOut": 124,
    "Finished": 2,
    "Altered": 1,
    "NotPrivate": 3,
    "NoDraft": 1,
    "StoreAway": 3,
}


def said(error: BaseException, saying: Saying = Saying.WORDS, traces: Traces = Traces.HIDDEN) -> str:
    out = io.StringIO()
    report_error(error, saying=saying, traces=traces, secrets=("hunter2-and-more",), stream=out)
    return out.getvalue()


def raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_every_error_there_is_has_a_code_that_was_chosen() -> None:
    assert {kind.__name__: int(exit_code_for(kind("x"))) for kind in EVERY_ERROR} == CODES


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (TimeoutError(), 124), (RuntimeError("x"), 1), (MemoryError(), 1)]
)
def test_what_python_raises_has_a_code_too(error: BaseException, code: int) -> None:
    assert exit_code_for(error) == code


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_code_and_only_executed_is_zero(status: Status) -> None:
    assert (exit_code_of(status) is ExitCode.OK) == (status is Status.EXECUTED)


def test_the_codes_say_what_they_mean() -> None:
    assert {code.value: bool(code.text) for code in ExitCode} == dict.fromkeys(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 124, 130], True
    )


def test_an_error_is_two_lines() -> None:
    error = errors.ConfigError("no database named prd", hint="did you mean prod?")
    assert said(error) == "error: no database named prd\n  hint: did you mean prod?\n"
    assert said(errors.QueryError("no such table: t")) == "error: no such table: t\n"


def test_an_error_is_one_document_in_json() -> None:
    error = errors.Denied("the policy denies drop\x7f\x1b[2J", hint="ask")
    text = said(error, Saying.JSON)
    assert json.loads(text) == {
        "error": {"code": "DENIED", "message": "the policy denies drop\x7f\x1b[2J", "hint": "ask"}
    }
    assert not untamed(text)


@pytest.mark.parametrize("saying", Saying)
def test_hostile_errors_stay_two_tame_lines(saying: Saying) -> None:
    for text in HOSTILE:
        shown = said(errors.QueryError(text, hint=text), saying)
        assert not untamed(shown)
        assert shown.count("\n") == (1 if saying is Saying.JSON else 2)


def test_a_fault_of_our_own_names_itself_and_needs_debug_for_more() -> None:
    assert said(raised(RuntimeError("boom"))).splitlines() == [
        "error: RuntimeError: boom",
        "  hint: this is a fault of sqlagent; --debug shows where it arose",
    ]


def test_debug_adds_a_trace_without_the_secrets() -> None:
    error = raised(errors.ConnectError("postgresql://ana:s3cret@db/shop: hunter2-and-more refused"))
    shown = said(error, traces=Traces.SHOWN)
    assert "Traceback (most recent call last)" in shown
    assert "test_ui_diagnostics.py" in shown
    assert "s3cret" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ana:pa$$@db/x", "postgresql://ana:***@db/x"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("Incorrect API key provided: sk-abcdefghijkl", "Incorrect API key provided: ***"),
        ("password=hunter2 host=db", "password=*** host=db"),
        ('{"api_key": "abc123", "x": 1}', '{"api_key": "***", "x": 1}'),
        ("no such column: token_count", "no such column: token_count"),
        ("https://example.com/a:b@c", "https://example.com/a:b@c"),
    ],
)
def test_what_has_the_shape_of_a_secret_is_masked(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_variables_named_for_secrets_hold_secrets() -> None:
    env = {"OPENAI_API_KEY": "sk-1234567890", "HOME": "/home/ana", "GITHUB_TOKEN": "", "SQLAGENT_DB": "sample.db"}
    assert secrets_of(env) == ("sk-1234567890",)


def test_an_error_reaches_a_terminal_of_another_encoding() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    report_error(errors.QueryError("Größe\x1b"), stream=out)
    out.flush()
    assert raw.getvalue() == b"error: Gr\\xf6\\xdfe\\u27e8U+001B\\u27e9\n"
