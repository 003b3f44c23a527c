"""A team's store that cannot be used, and what `doctor` says of one that can: two lines and a code each."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_shop import Shop
from postgres_server import Pg
from shared_store import Store
from team_typed import As

from sqlagent import Agent
from sqlagent.service import agent as service
from sqlagent.service.notify import Watched
from sqlagent.store.shared.connection import VERSION, shown
from sqlagent.store.shared.setup import _encryption

WRITE = ("run", "--sql", "UPDATE orders SET total = 0 WHERE id = 1")
FULL = (
    "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " RAISE EXCEPTION USING ERRCODE = '53100'; END $$;"
    " CREATE TRIGGER f BEFORE INSERT ON sqlagent.audit EXECUTE FUNCTION public.full()"
)
Refused = tuple[Callable[[Store], str], str, int]
REFUSED: dict[str, Refused] = {
    "no such store": (lambda s: s.url_of("ana") + "x", "is not there: the server has no such database", 1),
    "nothing answers": (lambda _: "postgresql://ana@127.0.0.1:1/x", "cannot be reached", 3),
    "no such host": (lambda _: "postgresql://ana@nowhere.invalid/x", "cannot be reached", 3),
    "no such login": (lambda s: s.url_of("not_there"), "let nobody in", 4),
    "no rights": (lambda s: s.url_of("nobody_known"), "gives you no rights", 1),
    "an older schema": (lambda s: with_(s, "DELETE FROM sqlagent.version WHERE number > 1"), "is of version 1", 1),
    "a newer schema": (lambda s: with_(s, "INSERT INTO sqlagent.version VALUES (99)"), "is of version 99", 1),
    "no schema": (lambda s: with_(s, "DROP SCHEMA sqlagent CASCADE"), "has no sqlagent in it", 1),
    "no checkpoints": (lambda s: with_(s, "DROP SCHEMA sqlagent_threads CASCADE"), "has no sqlagent in it", 1),
    "full": (lambda s: with_(s, FULL), "has no room left", 1),
    "read-only": (lambda s: s.url_of("ana") + "?options=-cdefault_transaction_read_only%3Don", "is read-only", 1),
}  # fmt: skip


def with_(store: Store, script: str) -> str:
    store.owner(script)
    return store.url_of("ana")


@pytest.mark.parametrize("name", REFUSED)
def test_it_says_why_what_to_do_and_ends_with_its_code(
    shop: Shop, store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, says, code = REFUSED[name]
    monkeypatch.setenv("SQLAGENT_STORE", url(store))
    ran = shop.run(*WRITE)
    message, hint = ran.error
    assert (ran.code, says in message, hint != "", "Traceback" in ran.err) == (code, True, True, False), ran.err
    assert shop.rows("SELECT total FROM orders WHERE id = 1") == [(10,)]


def test_a_clock_that_is_ahead_is_said(typed: As, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(hours=1))
    monkeypatch.setattr(service, "datetime", ahead)
    code, said = typed("ana", *WRITE)
    assert (code, "clock is ahead of the store's by 3600 s" in said) == (1, True), said
    assert "hint: set it right: timedatectl" in said


# ---- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_says_how_the_store_stands_for_whoever_asks(typed: As, store: Store) -> None:
    store.owner("INSERT INTO sqlagent.floors (target, people, via) VALUES ('*', 2, '{terminal}')")
    checks = typed.document("ana", "doctor")["checks"]
    told = {c["detail"].partition(":")[0]: c for c in checks if c["name"] == "store"}
    assert told["version"]["detail"] == f"version: {VERSION}"
    assert (told["you"]["detail"], told["you"]["state"]) == ("you: ana", "ok")
    assert told["clock"]["state"] == "ok"
    assert told["connection"]["detail"] == "connection: on this machine"
    assert told["floors"]["detail"] == "floors: *: 2 people by terminal"
    assert told["sees"]["detail"] == "sees: everybody sees all"
    assert told["durable"]["state"] == "note"  # a server of tests does without fsync


def test_doctor_names_a_store_that_cannot_be_used(shop: Shop, pg: Pg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLAGENT_STORE", pg.url)
    ran = shop.run("doctor", "--json")
    bad = [c for c in json.loads(ran.out)["checks"] if c["state"] == "missing"]
    assert ran.code == 1
    assert any("has no sqlagent in it" in c["detail"] and c["fix"] for c in bad)


def test_doctor_says_which_rules_bind_only_the_honest_and_what_binds_everybody(typed: As) -> None:
    rules = typed.shop.folder / "team.toml"
    rules.write_text(
        '[[rule]]\nid = "four"\nwhen = { risk = ">=write" }\nthen = { ask = { people = 1, not_requester = true } }\n'
    )
    said = typed("ana", "doctor", "--config", str(config_with(typed, rules)))[1]
    assert "binds only the honest" in said
    assert "or the store's owner in sqlagent.floors" in said
    assert "a state folder is one person's" not in said  # here the server says who somebody is


def config_with(typed: As, rules: Path) -> Path:
    file = typed.shop.folder / "config.toml"
    file.write_text(f'policy = "{rules}"\n')
    return file


@pytest.mark.parametrize(
    ("host", "encrypted", "mode", "says", "well"),
    [
        ("db.example.com", False, "prefer", "not encrypted", False),
        ("db.example.com", True, "require", "is not verified", False),
        ("db.example.com", True, "verify-full", "the server is verified", True),
        ("/run/postgresql", False, "prefer", "on this machine", True),
    ],
)
def test_a_store_on_the_way_to_which_somebody_could_listen_is_said(
    host: str, encrypted: bool, mode: str, says: str, well: bool
) -> None:
    info = SimpleNamespace(get_parameters=lambda: {"sslmode": mode}, host=host, hostaddr="10.0.0.9")
    found = _encryption(SimpleNamespace(info=info, pgconn=SimpleNamespace(ssl_in_use=encrypted)))  # type: ignore[arg-type]
    assert (says in found.said, found.mend == "") == (True, well)


def test_a_password_in_a_url_is_never_shown() -> None:
    assert "secret" not in shown("postgresql://ana:secret@db/x?password=secret")


# ---- on_pending of whoever may answer ------------------------------------------------------------------------------


def test_whoever_watches_has_their_own_program_told_of_what_they_may_answer_once(typed: As, store: Store) -> None:
    folder = typed.shop.folder
    heard, program = folder / "heard", folder / "ear"
    program.write_text(f'#!/bin/sh\ncat >> "{heard}"\n')
    program.chmod(stat.S_IRWXU)
    (folder / "team.toml").write_text(
        '[[rule]]\nid = "w"\nwhen = { risk = ">=write" }\nthen = { ask = { people = 1, not_requester = true } }\n'
    )
    typed("ana", *WRITE, "--policy", "team.toml")
    for who, told in (("ana", 0), ("ben", 1)):
        here = str(store.folder.parent / f"watch-{who}")
        with Agent.open(store=store.url_of(who), state_dir=here, on_pending=[str(program)]) as agent:
            watched = Watched(agent)
            watched.tell(agent.pending())
            watched.tell(agent.pending())
            lines = heard.read_text().splitlines() if heard.exists() else []
            assert len(lines) == told, who
    (line,) = heard.read_text().splitlines()
    payload = json.loads(line)
    assert payload["sqlagent"]["digest"] == f"sha256:{typed.pending('ben')['digest']}"
    assert payload["sqlagent"]["requested_by"] == "ana"
    assert payload["args"]["sql"] == WRITE[2]
