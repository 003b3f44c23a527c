"""A canary that would paint over the screen, or give a CI service an order, in every place that is printed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from cli_process import Ran
from cli_shop import Asked, Shop
from hostile_text import quoted, tamed

PAINT = "p\n::add-mask::ana\n  ##[error]x\x1b[2J\x9b31m\u202eend\x7f"
ORDER = re.compile(r"^\s*(?:::[A-Za-z]|##[\[a-z])", re.M)


def harmless(ran: Ran) -> Ran:
    """Neither the terminal nor the service that keeps this log would do anything."""
    tamed(ran)
    assert not ORDER.search(ran.text), ran.text
    assert not ORDER.search(ran.err), ran.err
    return ran


def drawn(ran: Ran) -> Ran:
    """And the canary was there."""
    assert "⟨U+" in ran.text + ran.err or "\\u" in ran.text + ran.err, ran
    return harmless(ran)


@pytest.fixture
def painted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Whose tables, columns, types, rows, folder and files all carry it."""
    shop.write(f"CREATE TABLE {quoted(PAINT)} ({quoted(PAINT)} {quoted(PAINT)}, plain TEXT)")
    shop.write(
        f"CREATE TABLE rows_of (plain TEXT, {quoted(PAINT)});"
        f"INSERT INTO rows_of VALUES ('{PAINT}', '::error::{PAINT}'), ('::error::', '')"
    )
    folder = shop.folder / PAINT.replace("\n", "")
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    return shop


@pytest.mark.parametrize("arguments", [("schema",), ("doctor",), ("config", "show"), ("config", "check")])
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_what_looks(painted: Shop, arguments: tuple[str, ...], json: tuple[str, ...]) -> None:
    Path("sqlagent.toml").write_text('keep_alive = "9m"\n')
    ran = harmless(painted.run(*arguments, *json))
    assert ran.out


def test_a_name_has_one_line_in_the_schema(painted: Shop) -> None:
    text = drawn(painted.run("schema")).text
    assert text.count("CREATE TABLE") == 5
    assert "↵" in text


def test_the_values_and_places_of_settings(painted: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = PAINT.replace("\n", "").replace("\x1b", "").replace("\x7f", "")
    monkeypatch.setenv("SQLAGENT_PAGER", f"less {paint}")
    monkeypatch.setenv("SQLAGENT_STATE_DIR", str(painted.folder / paint))
    Path("sqlagent.toml").write_text('limit = 50\npolicy = "a\u202eb\x9b.toml"\n')
    Path("a\u202eb\x9b.toml").write_text('[[rule]]\nid = "no"\nwhen = { verb = "drop" }\nthen = "deny"\nwhy = "w"\n')
    assert "a⟨U+202E⟩b⟨U+009B⟩.toml" in drawn(painted.run("config", "show")).text
    drawn(painted.run("policy", "check"))
    drawn(painted.run("policy", "explain", "--sql", "DROP TABLE orders"))
    assert drawn(painted.run("run", "--sql", "DROP TABLE orders", "--no-input")).code == 6
    drawn(painted.run("audit", "show"))


@pytest.mark.parametrize("format_", ["table", "markdown", "vertical", "json", "jsonl", "csv-safe"])
def test_rows(painted: Shop, format_: str) -> None:
    ran = drawn(painted.run("run", "--sql", "SELECT * FROM rows_of", "--format", format_))
    assert ran.code == 0


@pytest.mark.parametrize("format_", ["text", "github", "json", "sarif"])
def test_the_name_of_a_file_that_is_checked(painted: Shop, format_: str) -> None:
    """GitHub's own format is made of orders; each is one of ours."""
    name = "::add-mask::\x1b\u202ey.sql"
    Path(name).write_text(f"DELETE FROM {quoted(PAINT)};\n-- {PAINT}\nDROP TABLE orders")
    ran = tamed(painted.run("check", name, "--format", format_))
    orders = [line for line in ran.text.splitlines() if ORDER.match(line)]
    assert all(re.match("::(?:warning|error|notice) file=", line) for line in orders)
    assert bool(orders) is (format_ == "github")


def test_what_people_and_models_say(painted: Shop, model: Asked) -> None:
    """A question, a note, a reason, a title: in every list, and before whoever decides."""
    model.answers("DELETE FROM orders WHERE id = 1 /*\n::add-mask::x\n*/")
    Path("none.toml").write_text("")
    asked = harmless(painted.run("ask", f"why {PAINT}", "--no-input", "--config", "none.toml"))
    assert asked.code == 8
    for arguments in (("pending",), ("sessions",), ("show", asked.thread), ("audit", "show"), ("audit", "export")):
        drawn(painted.run(*arguments))
    drawn(painted.run("resume", asked.thread, "--reject", PAINT))
    drawn(painted.run("show", asked.thread))
    drawn(painted.run("audit", "show", asked.thread))


def test_what_is_left_to_undo_and_to_learn(painted: Shop, model: Asked) -> None:
    model.answers("UPDATE rows_of SET plain = 'x'")
    asked = painted.run("ask", f"::add-mask:: {PAINT}", "--json").document
    assert painted.run("resume", asked["thread"], "--approve", asked["digest"]).code == 0
    drawn(painted.run("undo", "--list"))
    drawn(painted.run("examples", "list"))
    drawn(painted.run("examples", "export"))


@pytest.mark.parametrize(
    "arguments",
    [(PAINT,), ("show", PAINT), ("run", PAINT), ("check", PAINT), ("schema", "--db", "\u202e\x9b::add-mask::")],
)
def test_what_is_mistyped(painted: Shop, arguments: tuple[str, ...]) -> None:
    drawn(painted.run(*arguments))


# ---- spreadsheets ------------------------------------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    "+1+1|x",
    "-cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\n=1",
    "＝1",
    "\ufeff=1",
    "|x",
    "%x",
]
PLAIN = ["-5", "+49", "-1.5e3", "a=b", "", "ana@example.org", "5%", "x - y"]


@pytest.mark.parametrize("flag", [("--csv-safe",), ("--format", "csv-safe")])
def test_a_spreadsheet_runs_nothing_of_csv_safe(shop: Shop, monkeypatch: pytest.MonkeyPatch, flag: list[str]) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    values = " UNION ALL ".join(f"SELECT '{text.replace(chr(39), chr(39) * 2)}', -5" for text in FORMULAS + PLAIN)
    rows = list(csv.reader(io.StringIO(harmless(shop.run("run", "--sql", values, *flag)).text, newline="")))[1:]
    assert [text[:1] for text, _ in rows[: len(FORMULAS)]] == ["'"] * len(FORMULAS)
    assert [text for text, _ in rows[len(FORMULAS) :]] == PLAIN
    assert {number for _, number in rows} == {"-5"}, "a number is no text"


def test_names_of_columns_are_no_formulas_either(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    assert shop.run("run", "--sql", 'SELECT 1 AS "=cmd()"', "--csv-safe").text == "'=cmd()\n1\n"
    assert shop.run("run", "--sql", 'SELECT 1 AS "=cmd()"', "--csv").text == "=cmd()\n1\n", "exact is exact"


@pytest.mark.parametrize("output", [(), ("-o", "/dev/tty"), ("-o", "/dev/stdout")])
def test_csv_before_a_person_is_fit_for_the_terminal_by_whatever_way(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, output: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SQLAGENT_READS", "allow")
    with shop.terminal("run", "--sql", "SELECT char(27) || '[2J'", "--csv", "--no-pager", *output) as terminal:
        assert terminal.end() == 0
    assert "⟨U+001B⟩" in terminal.seen
    assert "\x1b" not in terminal.seen


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_colour_adds_nothing_but_colour_and_every_line_fits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """The same screens with NO_COLOR and with `--color always`: less its colours, one is the other."""
    monkeypatch.setenv("COLUMNS", str(columns))
    (shop.folder / "change.sql").write_text("UPDATE orders SET status = 'paid' WHERE total > 100;\nDELETE FROM odd;\n")
    shop.run("run", "change.sql")
    shown = {}
    for how in ("never", "always"):
        ran = shop.run("run", "change.sql", "--color", how)
        shown[how] = re.sub(r"\b[a-z]\w{3}  (?=change\.sql)|resume \w{4}|digest \S+", "", ran.err)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shop.run("run", "change.sql").err
    assert "\x1b[" not in shown["never"]
    assert "\x1b[38;5;" in shown["always"] or "\x1b[3" in shown["always"]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown["always"])
    lines = [line.rstrip() for line in plain.splitlines() if "digest" not in line]
    assert len(lines) == len(shown["never"].splitlines())
    assert [line for line in lines if len(line) > columns and "error" not in line and "hint" not in line] == []
