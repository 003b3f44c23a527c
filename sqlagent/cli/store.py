"""`sqlagent store`: a team's store is made, upgraded, checked, and given what a folder held."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.options import group, takes
from sqlagent.config.kinds import STORE, Wrong
from sqlagent.core.errors import StoreError, UsageError
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.layout import table
from sqlagent.ui.out import say

store = group("A team's store in PostgreSQL: init, upgrade, check, copy.")
Url = Annotated[str, typer.Argument(help="postgresql://host/database, else the one of the config.", metavar="[URL]")]


@store.command("init")
@takes()
def init(
    call: Call,
    url: Url = "",
    sql: Annotated[bool, typer.Option("--sql", help="Print what would be run, for somebody else to run.")] = False,
) -> ExitCode:
    """Make a store in an empty database; who does it owns it.

    \b
    sqlagent store init postgresql://db.example.com/sqlagent
    sqlagent store init --sql > store.sql
    """
    from sqlagent.store.shared.setup import scripts  # with a driver

    if sql:
        say("\n".join(text for _, _, text in scripts()))
        return ExitCode.OK
    return _upgraded(call, _url(call, url))


@store.command("upgrade")
@takes()
def upgrade(call: Call, url: Url = "") -> ExitCode:
    """Bring a store up to this program's version; forward only."""
    return _upgraded(call, _url(call, url))


@store.command("check")
@takes()
def check(call: Call, url: Url = "") -> ExitCode:
    """Say what is wrong with a store, and with who is connected to it."""
    from sqlagent.pipeline.thread.shared_checkpoints import NEWEST  # with a driver, and LangGraph
    from sqlagent.store.shared.setup import check as look

    findings = look(_url(call, url), NEWEST)
    wrong = [f for f in findings if f.mend]
    if call.json:
        call.print_json({"findings": [asdict(f) for f in findings]})
    else:
        say(table(("what", "state", "mend"), [(f.what, f.said, f.mend or "-") for f in findings]))
    return ExitCode.FAILED if wrong else ExitCode.OK


@store.command("copy")
@takes()
def copy(call: Call, url: Url = "") -> ExitCode:
    """Take the state folder's journal into an empty store, its record entry by entry as it is."""
    from sqlagent.store.shared.moving import move  # with a driver

    where = _url(call, url)
    head = move(call.settings.state_dir / "journal.db", where)
    if call.json:
        call.print_json({"audit_head": head})
    else:
        call.screen.line(f'copied; the record ends at {head} there too.  Next: store = "{where}" in config')
    return ExitCode.OK


def _upgraded(call: Call, url: str) -> ExitCode:
    from sqlagent.pipeline.thread.shared_checkpoints import set_up  # with a driver, and LangGraph
    from sqlagent.store.shared.setup import upgrade as bring

    before, after = bring(url, set_up)
    if call.json:
        call.print_json({"before": before, "after": after})
    else:
        done = "is of version" if before == after else "was made, version" if not before else f"was {before}, and is"
        call.screen.line(f"the store {done} {after}")
        call.screen.line("people:  CREATE ROLE ana LOGIN IN ROLE sqlagent_people;   who runs: IN ROLE sqlagent_workers")
    return ExitCode.OK


def _url(call: Call, url: str) -> str:
    try:
        import psycopg  # noqa: F401 - only a team's store needs it
    except ImportError as e:
        raise StoreError(f"a team's store needs more: {e}", hint='pip install "sqlagent[store]"') from e
    chosen = url or call.settings.store
    if not chosen:
        raise UsageError("no store is named", hint="sqlagent store check postgresql://host/database")
    try:
        return str(STORE.read(chosen))
    except Wrong as e:
        raise UsageError(f"the store {e.message}", hint=e.hint) from e
