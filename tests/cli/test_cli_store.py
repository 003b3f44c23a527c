"""A team's store from the command line, as each person types it."""

from __future__ import annotations

import json
import tomllib
from configparser import ConfigParser

import pytest
from checkout import ROOT
from cli_shop import Shop
from postgres_server import Pg
from shared_store import WORKER, Store
from team_typed import As

from sqlagent.cli.commands import COMMANDS
from sqlagent.store.shared.connection import VERSION
from sqlagent.store.shared.setup import scripts

WRITE = "UPDATE orders SET status = 'paid' WHERE status = 'pending'"


def test_one_asks_another_approves_where_there_is_no_database_and_a_worker_runs_it(typed: As, shop: Shop) -> None:
    code, said = typed("ana", "run", "--sql", WRITE, "--json")
    waits = json.loads(said.partition("\nerror")[0])
    thread, digest = waits["thread"], waits["digest"]
    assert code == 8
    assert thread in typed("ben", "pending", away=True)[1]
    assert "UPDATE orders" in typed("ben", "show", thread, away=True)[1]
    code, said = typed("ben", "resume", thread, "--approve", digest, away=True)
    assert (code, "approved by ben" in said) == (0, True)
    assert shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'") == [(10,)]
    code, said = typed(WORKER, "work", "--once", "--db", "shop.db")
    assert (code, f"{thread}: executed" in said) == (0, True)
    assert shop.rows("SELECT count(*) FROM orders WHERE status = 'pending'") == [(0,)]
    assert json.loads(typed(WORKER, "work", "--once", "--json", "--db", "shop.db")[1])["worked"] == []
    code, said = typed("cyd", "audit", "verify", away=True)
    assert (code, "intact" in said) == (0, True)


def test_a_rejection_needs_no_database_either(typed: As) -> None:
    thread = json.loads(typed("ana", "run", "--sql", WRITE, "--json")[1].partition("\nerror")[0])["thread"]
    code, said = typed("ben", "resume", thread, "--reject", "not today", away=True)
    assert (code, "not today" in said) == (5, True)


def test_a_store_is_made_checked_and_upgraded(shop: Shop, pg: Pg) -> None:
    assert shop.run("store", "check", pg.url).code == 1
    made = shop.run("store", "init", pg.url, "--json").document
    assert (made["before"], made["after"]) == (0, VERSION)
    assert shop.run("store", "upgrade", pg.url, "--json").document["before"] == VERSION
    findings = shop.run("store", "check", pg.url, "--json").document["findings"]
    wrong = {f["what"] for f in findings if f["mend"]}
    assert wrong == {"you", "durable"}  # a superuser, on a server of tests that does without fsync
    pg.run("GRANT INSERT ON sqlagent.decisions TO sqlagent_people")
    findings = shop.run("store", "check", pg.url, "--json").document["findings"]
    assert any(f["what"] == "tables" and "decisions: sqlagent_people" in f["said"] and f["mend"] for f in findings)


def test_the_sql_of_a_store_can_be_read_and_is_what_is_run(shop: Shop) -> None:
    assert shop.run("store", "init", "--sql").text.strip() == "\n".join(t for _, _, t in scripts()).strip()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("store", "check"), "no store is named"),
        (("store", "check", "shop.db"), "the store is no PostgreSQL URL"),
        (("store", "copy", "postgresql://a:b@h/x"), "the store carries a password"),
        (("work", "--json"), "--json is one document, and a worker goes on"),
        (("pending", "--watch", "--json"), "--json is one document, and --watch goes on"),
    ],
)
def test_what_makes_no_sense_is_said(shop: Shop, command: tuple[str, ...], message: str) -> None:
    ran = shop.run(*command)
    assert ran.code == 2
    assert message in ran.err
    assert "hint:" in ran.err or '"hint"' in ran.err


def test_a_project_s_file_names_no_store(shop: Shop, store: Store) -> None:
    (shop.folder / "sqlagent.toml").write_text(f'store = "{store.url}"\n')
    assert "store" in shop.run("pending").err
    assert shop.run("pending").code == 2


def test_the_examples_of_a_worker_start_a_command_that_there_is() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "fixtures" / "team" / "sqlagent-work.service")
    program, command = unit["Service"]["ExecStart"].split()
    assert program.startswith("/")
    assert command in COMMANDS
    assert unit["Service"]["KillSignal"] == "SIGINT"
    lines = dict(
        line.split(" ", 1) for line in (ROOT / "fixtures/team/Containerfile").read_text().splitlines() if " " in line
    )
    assert json.loads(lines["ENTRYPOINT"])[1] in COMMANDS
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"postgres", "store"} <= set(extras)
