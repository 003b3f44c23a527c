"""`sqlagent policy`, and policies at work: denied, allowed, asked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from checkout import ROOT
from cli_shop import Shop

from sqlagent.config.conditions import CONDITIONS
from sqlagent.config.stages import STAGE_KEYS
from sqlagent.core.nouns.session import Status
from sqlagent.service import Agent

POLICIES = ROOT / "fixtures" / "policies"
POLICY = """\
[[rule]]
id = "no-drops"
when = { database = "shop*", verb = ["drop", "alter"] }
then = "deny"
why = "schema changes go through migrations"

[[rule]]
id = "small-writes"
when = { risk = "write", rows = "<=2", undo = true, hidden = false }
then = "allow"

[[rule]]
id = "payments"
when = { columns = "orders.total" }
then = { ask = { people = 2 } }
"""


@pytest.fixture
def ruled(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    (shop.folder / "policy.toml").write_text(POLICY)
    monkeypatch.setenv("SQLAGENT_POLICY", "policy.toml")
    return shop


# ---- at work ---------------------------------------------------------------------------------------------------


def test_what_a_rule_denies_names_the_rule_and_the_way_out(ruled: Shop) -> None:
    done = ruled.run("run", "--sql", "DROP TABLE odd")
    assert done.code == 6
    assert done.error == (
        "the policy denies drop table on shop.db  [no-drops, policy.toml:1]",
        "schema changes go through migrations; "
        "nobody can approve this here; change the policy, or run it outside sqlagent",
    )
    assert ruled.rows("SELECT count(*) FROM odd") == [(6,)]


def test_what_a_rule_allows_runs_unasked_and_says_by_which_rule(ruled: Shop) -> None:
    done = ruled.run("run", "--sql", "UPDATE orders SET status = 'sent' WHERE id = 3")
    assert done.code == 0
    assert "[small-writes, policy.toml:7]" in " ".join(done.err.split())
    assert ruled.rows("SELECT status FROM orders WHERE id = 3") == [("sent",)]


def test_what_a_rule_asks_waits_for_as_many_people(ruled: Shop) -> None:
    document = ruled.run("run", "--sql", "UPDATE orders SET total = 0 WHERE id = 3", "--json").document
    assert document["status"] == "pending"
    assert document["policy"] == "ask, 2 people  [payments, policy.toml:12]"
    assert document["stages"] == 2


def test_a_change_that_is_not_small_is_asked(ruled: Shop) -> None:
    document = ruled.run("run", "--sql", "UPDATE orders SET status = 'x' WHERE id IN (1, 2, 3)", "--json").document
    assert (document["status"], document["policy"]) == ("pending", "ask")


def test_a_trigger_takes_the_allowance_away(ruled: Shop) -> None:
    ruled.write("CREATE TABLE log (x); CREATE TRIGGER t AFTER UPDATE ON orders BEGIN INSERT INTO log VALUES (1); END")
    document = ruled.run("run", "--sql", "UPDATE orders SET status = 'x' WHERE id = 3", "--json").document
    assert (document["status"], document["policy"]) == ("pending", "ask")


def test_a_flag_adds_a_policy_and_takes_none_away(ruled: Shop) -> None:
    (ruled.folder / "strict.toml").write_text('[[rule]]\nid = "closed"\nthen = "deny"\n')
    update = ("run", "--sql", "UPDATE orders SET status = 'sent' WHERE id = 3")
    assert ruled.run(*update, "--policy", "strict.toml").code == 6
    (ruled.folder / "lax.toml").write_text('[[rule]]\nid = "open"\nthen = "allow"\n')
    assert ruled.run("run", "--sql", "DROP TABLE odd", "--policy", "lax.toml").code == 6


def test_a_projects_policy_cannot_allow(shop: Shop) -> None:
    (shop.folder / "p.toml").write_text('[[rule]]\nid = "open"\nthen = "allow"\n')
    (shop.folder / "sqlagent.toml").write_text('policy = "p.toml"\n')
    document = shop.run("run", "--sql", "UPDATE orders SET status = 'sent' WHERE id = 3", "--json").document
    assert (document["status"], document["policy"]) == ("pending", "ask")
    checked = shop.run("policy", "check")
    assert "note: p.toml:1: open has no effect: a project's file may not allow" in checked.text


@pytest.mark.parametrize("text", ["[[rule]]\nid = 'a'\n", "rule = ["])
def test_nothing_runs_under_a_policy_that_cannot_be_read(ruled: Shop, text: str) -> None:
    (ruled.folder / "policy.toml").write_text(text)
    done = ruled.run("run", "--sql", "SELECT 1")
    assert done.code == 2
    assert done.error[0].startswith("policy.toml:1: ")
    assert ruled.run("pending").code == 0


def test_a_program_may_name_a_policy(ruled: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLAGENT_POLICY")
    with Agent.open("shop.db", policy="policy.toml") as agent:
        assert agent.run("DROP TABLE odd").status is Status.DENIED
        assert agent.run("UPDATE orders SET status = 'sent' WHERE id = 3").status is Status.EXECUTED
        assert agent.run("DELETE FROM orders").status is Status.PENDING


def test_a_rule_sees_where_it_is_asked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [
        f'[[rule]]\nid = "{e}"\nwhen = {{ environment = "{e}" }}\nthen = "deny"\n' for e in ("ci", "script", "library")
    ]
    (shop.folder / "p.toml").write_text("".join(rules))
    read = ("run", "--sql", "SELECT 1", "--policy", "p.toml", "--json")
    assert shop.run(*read).document["policy"] == "deny [script, p.toml:5]"
    monkeypatch.setenv("CI", "true")
    assert shop.run(*read).document["policy"] == "deny [ci, p.toml:1]"
    with Agent.open("shop.db", policy="p.toml") as agent:
        proposal = agent.run("SELECT 1").proposal
    assert proposal is not None
    assert proposal.policy == "deny [library, p.toml:9]"


# ---- check -----------------------------------------------------------------------------------------------------


def test_check_sums_up_what_there_is(ruled: Shop) -> None:
    done = ruled.run("policy", "check")
    assert done.code == 0
    assert done.text.splitlines()[0] == "policy.toml: 3 rules (1 deny, 1 ask, 1 allow)"
    assert done.text.splitlines()[-1] == "no problem found"
    document = ruled.run("policy", "check", "--json").document
    assert [rule["id"] for rule in document["rules"]] == ["no-drops", "small-writes", "payments"]
    assert document["problems"] == []


def test_check_names_every_problem(shop: Shop) -> None:
    (shop.folder / "p.toml").write_text("[[rule]]\nid = 'a'\nthen = 'alow'\nwhen = { row = '<1' }\n")
    done = shop.run("policy", "check", "p.toml")
    assert done.code == 2
    assert done.text == (
        'p.toml:3: a: then cannot be "alow"\n  hint: did you mean allow?\n'
        "p.toml:4: a: no key named when.row\n  hint: did you mean rows?\n"
    )
    document = shop.run("policy", "check", "p.toml", "--json").document
    assert [problem["line"] for problem in document["problems"]] == [3, 4]


def test_check_without_a_policy_says_what_holds_then(shop: Shop) -> None:
    done = shop.run("policy", "check")
    assert (done.code, done.text.splitlines()[0]) == (0, "no policy file: everything is asked")


# ---- explain ---------------------------------------------------------------------------------------------------


def test_explain_says_what_every_rule_makes_of_sql_and_proposes_nothing(ruled: Shop) -> None:
    done = ruled.run("policy", "explain", "--sql", "UPDATE orders SET status = 'x' WHERE id < 4")
    assert done.code == 0
    lines = [" ".join(line.split()) for line in done.text.splitlines()]
    assert "ask: no rule speaks of it" in lines
    assert '- no-drops deny verb = ["drop", "alter"] does not hold: update' in lines
    assert '- small-writes allow rows = "<=2" does not hold: 3' in lines
    assert "effect update 3 of orders" in lines
    assert ruled.run("pending", "--json").document["threads"] == []
    assert ruled.rows("SELECT count(*) FROM orders WHERE status = 'x'") == [(0,)]


def test_explain_of_a_thread_looks_at_its_proposal_by_todays_rules(ruled: Shop) -> None:
    thread = ruled.run("run", "--sql", "UPDATE orders SET total = 0 WHERE id = 3", "--json").document["thread"]
    document = ruled.run("policy", "explain", thread, "--json").document
    assert (document["verdict"], document["rules"], document["people"]) == ("ask", ["payments"], 2)
    (ruled.folder / "policy.toml").write_text('[[rule]]\nid = "closed"\nthen = "deny"\n')
    document = ruled.run("policy", "explain", thread, "--json").document
    assert (document["verdict"], document["statements"][0]["because"]) == ("deny", "no condition")


def test_explain_names_a_built_in_denial(ruled: Shop) -> None:
    document = ruled.run("policy", "explain", "--sql", "ATTACH 'x.db' AS x", "--json").document
    assert (document["verdict"], document["rules"]) == ("deny", ["outside-database"])


@pytest.mark.parametrize("arguments", [(), ("k7f3", "--sql", "SELECT 1")])
def test_explain_wants_one_thing(shop: Shop, arguments: tuple[str, ...]) -> None:
    done = shop.run("policy", "explain", *arguments)
    assert done.code == 2
    assert done.error == ("name one thing to explain", "a THREAD, or --sql TEXT")


# ---- test ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["solo", "team", "ci"])
def test_the_ready_policies_say_what_their_cases_say(shop: Shop, name: str) -> None:
    assert shop.run("policy", "check", str(POLICIES / f"{name}.toml")).code == 0
    done = shop.run("policy", "test", str(POLICIES / f"{name}-cases.toml"))
    assert done.code == 0, done.text
    document = shop.run("policy", "test", str(POLICIES / f"{name}-cases.toml"), "--json").document
    assert document["failed"] == 0
    decided = {rule for case in document["cases"] for rule in case["got"]["rules"]}
    rules = re.findall(r'^id = "(.*)"', (POLICIES / f"{name}.toml").read_text(), re.M)
    assert set(rules) <= decided, "every rule has a case"


def test_a_case_that_fails_shows_what_was_expected_and_why_not(shop: Shop) -> None:
    (shop.folder / "p.toml").write_text(POLICY)
    cases = '[[case]]\nname = "drop"\nsql = "DELETE FROM odd"\nhidden = false\nverdict = "deny"\nrule = "no-drops"\n'
    (shop.folder / "cases.toml").write_text('policy = "p.toml"\n[given]\ndatabase = "shop"\n' + cases)
    done = shop.run("policy", "test", "cases.toml")
    assert done.code == 1
    assert [line.strip() for line in done.text.splitlines()] == [
        "FAIL  drop  (cases.toml:4)",
        "expected  deny [no-drops]",
        "got       ask",
        "1: ask: no rule speaks of it",
        'no-drops does not fire: verb = ["drop", "alter"] does not hold: delete',
        "(1 case, 1 failed)",
    ]
    document = shop.run("policy", "test", "cases.toml", "--json").document
    assert (document["failed"], document["cases"][0]["ok"]) == (1, False)


def test_cases_may_be_measured_on_a_real_database(shop: Shop) -> None:
    (shop.folder / "p.toml").write_text(POLICY)
    sql = "UPDATE orders SET status = 'x' WHERE id {}"
    cases = "".join(
        f'[[case]]\nsql = "{sql.format(where)}"\nverdict = "{verdict}"\n'
        for where, verdict in (("= 3", "allow"), ("< 4", "ask"))
    )
    (shop.folder / "cases.toml").write_text(f'policy = "p.toml"\n{cases}')
    assert shop.run("policy", "test", "cases.toml").code == 1
    assert shop.run("policy", "test", "cases.toml", "--db", "shop.db").code == 0
    assert shop.rows("SELECT count(*) FROM orders WHERE status = 'x'") == [(0,)]


def test_a_file_of_sql_is_told_which_rule_decides_each_statement(ruled: Shop) -> None:
    (ruled.folder / "m.sql").write_text("SELECT 1;\nDROP TABLE odd;\n")
    done = ruled.run("policy", "test", "m.sql", "--given", "database=shop", "--given", "hidden=false")
    assert done.code == 0
    assert [line.strip() for line in done.text.splitlines()] == [
        "1  SELECT 1",
        "ask: no rule speaks of it",
        "2  DROP TABLE odd",
        "deny [no-drops, policy.toml:1]: every condition holds",
        "all together: deny [no-drops, policy.toml:1]",
    ]
    there = ruled.run("policy", "test", "m.sql", "--db", "shop.db", "--json").document
    assert there["rules"] == ["no-drops"]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("m.sql", "--given", "row=3"), "no fact named row", "did you mean rows?"),
        (("m.sql", "--given", "rows=many"), '--given rows must be a number of rows, not "many"', "such as 3"),
        (("m.sql", "--given", "rows=3", "--db", "shop.db"), "--given and --db exclude one another", "leave one out"),
        (("c.toml", "--given", "rows=3"), "--given is for a file of SQL", "[given]"),
        (("no.toml",), "no.toml does not exist", ""),
        (("empty.sql",), "there is no SQL statement in it", "FILE.sql"),
    ],
)
def test_mistakes_are_answered_with_what_to_type(
    shop: Shop, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    (shop.folder / "m.sql").write_text("SELECT 1")
    (shop.folder / "empty.sql").write_text("-- nothing\n")
    done = shop.run("policy", "test", *arguments)
    assert done.code == 2
    assert done.error[0] == message
    assert hint in done.error[1]


CASE = '[[case]]\nsql = "SELECT 1"\nverdict = "ask"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c.toml has no [[case]]"),
        ("cases = 1\n" + CASE, "c.toml:1: no key named cases"),
        (CASE + "row = 3\n", "c.toml:4: case 1: no key named row"),
        ('[[case]]\nverdict = "ask"\n', "c.toml:1: case 1: there is no sql"),
        ('[[case]]\nsql = "x"\nverdict = "asks"\n', 'c.toml:3: case 1: verdict cannot be "asks"'),
        (CASE + 'time = "25:00"\n', 'c.toml:4: case 1: time is no time of day: "25:00"'),
        (CASE + 'day = "Saturday"\n', 'c.toml:4: case 1: day cannot be "Saturday"'),
        (CASE + "confidence = 80\n", "c.toml:4: case 1: confidence must be a number from 0 to 1, not 80"),
        (CASE + "hidden = true\n", "c.toml:4: case 1: hidden does not say what is hidden"),
        (CASE + 'hidden = ["audit"]\n', 'c.toml:4: case 1: hidden is no verb and table: "audit"'),
        (CASE + "people = 0\n", "c.toml:4: case 1: people must be a number from 1, not 0"),
        (CASE + "effect = { orders = 3 }\n", "c.toml:4: case 1: effect must be a table of tables"),
        (CASE + 'undo = "maybe"\n', 'c.toml:4: case 1: undo cannot be "maybe"'),
        ("[given]\nday = 3\n" + CASE, "c.toml:2: case 1: day cannot be 3"),
        ("[given]\nrow = 3\n" + CASE, "c.toml:2: no key named row"),
        ("policy = []\n" + CASE, ""),
    ],
)
def test_a_mistake_in_a_case_is_named_with_its_line(shop: Shop, text: str, message: str) -> None:
    (shop.folder / "c.toml").write_text(text)
    done = shop.run("policy", "test", "c.toml")
    assert done.code == (2 if message else 0)
    if message:
        assert done.error[0].startswith(message)


# ---- words -----------------------------------------------------------------------------------------------------


def test_help_speaks_of_every_condition_and_every_key_of_a_stage(shop: Shop) -> None:
    text = shop.run("help", "policy").text
    missing = [name for name in (*CONDITIONS, *STAGE_KEYS) if not re.search(rf"\b{name}\b", text)]
    assert missing == []
    assert max(map(len, text.splitlines())) <= 80


def test_the_policy_that_help_shows_is_a_good_one(shop: Shop) -> None:
    text = shop.run("help", "policy").text
    shown = "\n".join(line[2:] for line in text.split("\nwhich counts")[0].splitlines() if line.startswith("  "))
    Path("help.toml").write_text(shown)
    done = shop.run("policy", "check", "help.toml")
    assert done.code == 0, done.text
    assert done.text.startswith("help.toml: 3 rules (1 deny, 1 ask, 1 allow)")


# ---- a database is what it is ------------------------------------------------------------------------------------

BY_NAME = """
[[rule]]
id = "prod-keeps-its-rows"
when = { database = "prod", verb = "delete" }
then = "deny"
why = "it is prod"
[[rule]]
id = "dev-is-free"
when = { database = "dev" }
then = "allow"
"""


@pytest.mark.parametrize("called", ["prod", "shop.db", "./shop.db", "link.db", "hard.db", "mine", "dev.link"])
def test_a_denial_by_database_holds_however_the_file_is_called(shop: Shop, called: str) -> None:
    home = Path(os.environ["XDG_CONFIG_HOME"]) / "sqlagent"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f'policy = "rules.toml"\n[databases.prod]\nurl = "{shop.path}"\n')
    (home / "rules.toml").write_text(BY_NAME)
    (shop.folder / "sqlagent.toml").write_text('[databases.mine]\nurl = "shop.db"\n')
    (shop.folder / "link.db").symlink_to("shop.db")
    (shop.folder / "dev.link").symlink_to("shop.db")
    (shop.folder / "hard.db").hardlink_to(shop.path)
    assert shop.run("run", "--sql", "DELETE FROM orders", "--db", called, "--no-input").code == 6
    assert shop.rows("SELECT count(*) FROM orders") == [(40,)]


@pytest.mark.parametrize("called", ["dev", "./dev"])
def test_a_permission_by_database_is_not_for_what_a_folder_calls_so(shop: Shop, called: str) -> None:
    (shop.folder / "dev").hardlink_to(shop.path)
    (shop.folder / "rules.toml").write_text(BY_NAME)
    (shop.folder / "sqlagent.toml").write_text('[databases.dev]\nurl = "shop.db"\n')
    ran = shop.run("run", "--sql", "DELETE FROM orders", "--db", called, "--policy", "rules.toml", "--no-input")
    assert ran.code == 8, ran.err
    assert shop.rows("SELECT count(*) FROM orders") == [(40,)]


def test_doctor_says_which_rules_bind_only_the_honest(shop: Shop) -> None:
    (shop.folder / "rules.toml").write_text(
        BY_NAME + '[[rule]]\nid = "four-eyes"\nwhen = { risk = "severe" }\n'
        "then = { ask = { people = 1, not_requester = true } }\n"
        '[[rule]]\nid = "ci"\nwhen = { environment = "ci" }\nthen = "deny"\nwhy = "w"\n'
    )
    text = shop.run("doctor", "--config", os.devnull).text
    assert "binds" not in text
    (shop.folder / "config.toml").write_text('policy = "rules.toml"\n')
    text = shop.run("doctor", "--config", "config.toml").text
    assert "rules.toml: 4 rules; binds only the honest: you can change it, or leave it out" in text
    assert "four-eyes takes somebody else, and a state folder is one person's" in text
    assert "ci goes by what a process says of itself" in text
