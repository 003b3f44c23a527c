"""The commands that only look, and those about sqlagent itself: lists, show, schema, help, doctor, config, model."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from cli_shop import Asked, Shop
from openai_server import Reply

from sqlagent.ui.diagnostics import ExitCode

WRITE = "UPDATE customers SET country = 'AT' WHERE id = 1"


# ---- threads -----------------------------------------------------------------------------------------------------


def test_nothing_waits_at_first(shop: Shop) -> None:
    ran = shop.run("pending")
    assert (ran.code, ran.out, ran.err) == (0, b"", "(0 waiting)\n")
    ran = shop.run("sessions")
    assert (ran.code, ran.out, ran.err) == (0, b"", "no session yet: sqlagent ask QUESTION\n")


def test_what_waits_is_a_line_each_the_newest_first(shop: Shop) -> None:
    first = shop.run("run", "--sql", WRITE, "--json").document["thread"]
    second = shop.run("run", "--sql", "DELETE FROM orders", "--json").document["thread"]
    ran = shop.run("pending")
    heading, rule, *lines = ran.text.splitlines()
    assert [c.strip() for c in heading.split("|")] == ["id", "age", "risk", "database", "approvals", "by", "question"]
    assert set(rule) == {"-", "+"}
    assert [line.split("|")[0].strip() for line in lines] == [second, first]
    assert [line.split("|")[2].strip() for line in lines] == ["SEVERE", "WRITE"]
    assert ran.err.splitlines() == ["(2 waiting)", f"next: sqlagent show {second}"]


def test_what_was_cut_off_before_it_was_analyzed_waits_for_nobody(shop: Shop, model: Asked) -> None:
    model.answers(Reply.error(401))
    assert shop.run("ask", "how many?").code == 4
    ran = shop.run("pending")
    (thread,) = (t["thread"] for t in shop.run("pending", "--json").document["threads"])
    assert ran.out == b""
    assert ran.err.splitlines() == [
        "(0 waiting)",
        f"(1 begun and cut off, so without anything to decide: {thread})",
        f"next: sqlagent resume {thread}",
    ]


def test_one_session_is_one(shop: Shop) -> None:
    shop.run("run", "--sql", WRITE)
    assert shop.run("sessions").err == "(1 session)\n"


def test_a_policy_that_is_not_there_leaves_nothing_behind(shop: Shop) -> None:
    ran = shop.run("run", "--sql", WRITE, "--policy", "nope.toml")
    assert (ran.code, ran.error[0]) == (2, "nope.toml does not exist")
    assert shop.run("sessions", "--json").document["threads"] == []


@pytest.mark.parametrize(("limit", "count"), [("1", 1), ("-1", 3), ("50", 3)])
def test_a_list_may_be_cut_short(shop: Shop, limit: str, count: int) -> None:
    for _ in range(3):
        shop.run("run", "--sql", WRITE)
    assert len(shop.run("sessions", "--limit", limit, "--json").document["threads"]) == count
    assert len(shop.run("pending", "-n", limit, "--json").document["threads"]) == count


def test_show_tells_the_history_and_then_the_screen(shop: Shop) -> None:
    thread = shop.run("run", "--sql", WRITE, "--json").document["thread"]
    ran = shop.run("show", thread)
    lines = ran.text.splitlines()
    assert lines[0].startswith(f"{thread}  {WRITE}")
    assert [line.split()[0] for line in lines[1:6]] == ["asked", "written", "analyzed", "status", "digest"]
    assert any(line.startswith("  ~  update  customers  1 of 3") for line in lines)
    assert ran.err == f"next: sqlagent resume {thread}\n"


def test_show_tells_what_became_of_it(shop: Shop) -> None:
    document = shop.run("run", "--sql", WRITE, "--json").document
    shop.run("resume", document["thread"], "--approve", document["digest"])
    shown = shop.run("show", document["thread"]).text
    assert re.search(r"^  decided    by \w+ \(flag\)$", shown, re.M)
    assert re.search(r"^  status     executed$", shown, re.M)
    assert re.search(r"^             1 row changed in \d+\.\d\d s$", shown, re.M)


# ---- schema ------------------------------------------------------------------------------------------------------


def test_schema_is_what_the_model_is_told(shop: Shop, model: Asked) -> None:
    shop.run("ask", "how many?")
    told = shop.run("schema").text
    assert "CREATE TABLE customers" in told
    assert shop.run("schema", "customers").text.strip() in told
    columns = [line.split("--")[0].rstrip(", ") for line in told.splitlines() if line.startswith(" ")]
    assert [column for column in columns if column not in model.last_prompt] == []


def test_schema_in_json_names_keys_and_types(shop: Shop) -> None:
    document = shop.run("schema", "orders", "--json").document
    (table,) = document["tables"]
    columns = {column["name"]: column for column in table["columns"]}
    assert columns["customer"]["references"] == "customers.id"
    assert columns["id"]["primary_key"] is True
    assert columns["status"]["type"] == "TEXT"


# ---- help --------------------------------------------------------------------------------------------------------

PROGRAM = (
    "ask",
    "run",
    "resume",
    "settle",
    "pending",
    "sessions",
    "show",
    "schema",
    "help",
    "doctor",
    "model",
    "config",
)


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_the_program_leads_with_how_to_start(shop: Shop, arguments: tuple[str, ...]) -> None:
    ran = shop.run(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert 'Start with:  sqlagent ask "how many customers are there?"' in ran.text
    assert [name for name in PROGRAM if not re.search(rf"^  {name} ", ran.text, re.M)] == []


@pytest.mark.parametrize("command", [*[(name,) for name in PROGRAM], ("model", "pull"), ("config", "check")])
def test_every_command_explains_itself_on_eighty_columns(shop: Shop, command: tuple[str, ...]) -> None:
    ran = shop.run(*command, "--help")
    assert ran.code == 0
    assert "Usage: sqlagent " in ran.text
    assert [line for line in ran.text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", ["ask", "run", "resume", "settle", "pending"])
def test_help_leads_with_examples(shop: Shop, command: str) -> None:
    assert f"  sqlagent {command}" in shop.run(command, "--help").text


@pytest.mark.parametrize("group", ["model", "config"])
def test_a_group_without_a_command_is_help(shop: Shop, group: str) -> None:
    assert shop.run(group).text == shop.run(group, "--help").text


def test_help_lists_its_topics_and_each_has_a_page(shop: Shop) -> None:
    listed = shop.run("help").text
    topics = re.findall(r"[a-z-]+(?=,)", listed)
    assert {"exit-codes", "environment", "json", "rules"} <= set(topics)
    for topic in topics:
        assert len(shop.run("help", topic).text.splitlines()) > 3


def test_every_exit_code_is_explained(shop: Shop) -> None:
    text = shop.run("help", "exit-codes").text
    assert [int(line.split()[0]) for line in text.splitlines()] == [int(code) for code in ExitCode]


def test_every_rule_has_a_page(shop: Shop) -> None:
    rules = [line.split()[0] for line in shop.run("help", "rules").text.splitlines() if re.match(r"[a-z-]+  ", line)]
    assert "hidden-write" in rules
    for rule in rules:
        assert shop.run("help", rule).text.startswith(f"{rule}: ")


def test_the_version(shop: Shop) -> None:
    assert shop.run("--version").text == f"sqlagent {version('sqlagent')}\n"


def test_completion_for_bash_knows_the_commands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # whatever shell started the tests
    ran = shop.cold("--show-completion", "bash")
    assert (ran.code, "_SQLAGENT_COMPLETE" in ran.text) == (0, True)
    for name, value in {"_SQLAGENT_COMPLETE": "complete_bash", "COMP_WORDS": "sqlagent pe", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    assert shop.cold().text.split() == ["pending"]


# ---- doctor, config, model ---------------------------------------------------------------------------------------


def test_the_doctor_says_what_is_there(shop: Shop, model: Asked) -> None:
    ran = shop.run("doctor")
    assert (ran.code, ran.err) == (0, "")
    found = {line[9:].split()[0]: line.split()[0] for line in ran.text.splitlines()}
    assert found == dict.fromkeys(["sqlagent", "packages", "config", "database", "state", "model"], "ok")
    assert model.server.requests == []


def test_the_doctor_says_what_is_missing_and_what_to_type(shop: Shop, model: Asked) -> None:
    ran = shop.run("doctor", "-d", "none.db", "--json")
    assert ran.code == 1
    (missing,) = [check for check in ran.document["checks"] if check["state"] == "missing"]
    assert missing["name"] == "database"
    assert missing["fix"]


def test_a_state_folder_that_others_can_read_is_pointed_out(shop: Shop, model: Asked) -> None:
    shop.run("run", "--sql", WRITE)
    shop.state.chmod(0o755)
    ran = shop.run("doctor")
    assert ran.code == 1
    assert f"  hint: chmod 700 {shop.state}" in ran.text.splitlines()


def test_config_show_says_where_each_value_comes_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sqlagent.toml").write_text("limit = 7\n")
    monkeypatch.setenv("SQLAGENT_TIMEOUT", "5s")
    settings = shop.run("config", "show", "--model", "gpt-x", "--json").document["settings"]
    origins = {setting["key"]: (setting["value"], setting["origin"]) for setting in settings}
    assert origins["limit"][0] == 7
    assert origins["limit"][1].endswith("sqlagent.toml:1")
    assert origins["timeout"] == ("5s", "SQLAGENT_TIMEOUT")
    assert origins["model"] == ("gpt-x", "--model")
    assert origins["format"] == ("auto", "default")
    shown = shop.run("config", "show").text
    assert [key for key in origins if f" {key} " not in shown] == []


def test_a_config_without_a_problem(shop: Shop) -> None:
    assert shop.run("config", "check").text == "no problem found\n"
    assert shop.run("config", "check", "--json").document["problems"] == []


def test_models_are_listed_and_none_is_here(shop: Shop) -> None:
    models = shop.run("model", "list", "--json").document["models"]
    assert {m["short"] for m in models} == {"1.5b", "0.5b"}
    assert {m["path"] for m in models} == {""}
    assert shop.run("model", "list").text.count("not here") == 2
    assert shop.run("model", "status").err == "no embedded model is loaded; the next ask loads it\n"
    assert shop.run("model", "stop").err == "none was running\n"


def test_weights_that_are_not_the_ones_named_are_not_taken(shop: Shop) -> None:
    Path("other.gguf").write_bytes(b"GGUF" + bytes(1000))
    ran = shop.run("model", "pull", "local:0.5b", "--from", "other.gguf")
    assert ran.code != 0
    assert "other.gguf" in ran.error[0]
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "sqlagent"
    assert list(cache.rglob("*.gguf")) == []


def test_colour_is_only_where_it_is_wanted(shop: Shop) -> None:
    plain = shop.run("run", "--sql", WRITE)
    coloured = shop.run("run", "--sql", WRITE, "--color", "always")
    assert "\x1b[" not in plain.err
    assert "\x1b[" in coloured.err
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured.err).splitlines()[2:9] == plain.err.splitlines()[2:9]


def test_json_is_never_coloured_nor_cropped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    sql = "SELECT " + ", ".join(f"{n} AS column_{n}" for n in range(200))
    ran = shop.run("run", "--sql", sql, "--color", "always", "--json")
    assert json.loads(ran.out)["sql"] == sql


@pytest.mark.parametrize(
    ("there", "named", "hint"),
    [
        ("policy.toml", "polcy.toml", "did you mean policy.toml?"),
        ("policy.toml", "nope.toml", "did you mean policy.toml?"),
        ("rules/prod.toml", "rules/prd.toml", "did you mean rules/prod.toml?"),
        ("readme.txt", "nope.toml", "it is named by --policy"),
    ],
)
def test_a_policy_that_is_not_there_names_the_nearest_file(shop: Shop, there: str, named: str, hint: str) -> None:
    path = shop.folder / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    ran = shop.run("run", "--sql", WRITE, "--policy", named)
    assert (ran.code, *ran.error) == (2, f"{named} does not exist", hint)
