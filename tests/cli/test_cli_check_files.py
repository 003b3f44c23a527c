"""`sqlagent check` over files and folders: migrations as six tools write them, allowances, and what CI reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from checkout import ROOT
from cli_process import Ran
from cli_shop import Shop
from migration_folders import TOOLS, write_folder


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.text.splitlines()]


TWO_WAYS = """\
-- migrate:up
ALTER TABLE a ADD COLUMN y;
-- migrate:down
ALTER TABLE a DROP COLUMN y;
"""


def put(shop: Shop, **files: str) -> None:
    for name, text in files.items():
        path = shop.folder / f"{name.replace('__', '/', 1)}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


# ---- migrations as tools write them --------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
def test_a_folder_of_a_tool_has_nothing_denied_and_nothing_unknown(shop: Shop, tool: str) -> None:
    count = write_folder(shop.folder / "db", tool, files=34)
    ran = shop.run("check", "db", "--json", "--fail-on", "UNKNOWN")
    told = lines(ran)
    assert ran.code == 0, [t for t in told if t["denied"] or t["risk"] == "UNKNOWN"][:3]
    assert len({t["file"] for t in told}) == count
    assert {t["opinions"]["engine"] for t in told} <= {"READ", "WRITE", "SEVERE"}, (
        "each found what those before it made"
    )


def test_a_later_file_may_use_what_an_earlier_one_made_and_not_the_other_way_round(shop: Shop) -> None:
    put(
        shop,
        m__V1="CREATE TABLE a (x INTEGER);",
        m__V2="ALTER TABLE a ADD COLUMN y TEXT;",
        m__V10="UPDATE a SET y = 'z' WHERE x = 1;",
    )
    assert shop.run("check", "m", "--fail-on", "UNKNOWN").code == 0
    (shop.folder / "m" / "V2.sql").rename(shop.folder / "m" / "V11.sql")
    ran = shop.run("check", "m", "--fail-on", "UNKNOWN", "--json")
    assert [t["file"] for t in lines(ran) if t["risk"] == "UNKNOWN"] == ["m/V10.sql"]
    assert ran.code == 5


def test_migrations_go_on_from_the_database_that_is_named_and_leave_it_alone(shop: Shop) -> None:
    before = (shop.folder / "shop.db").read_bytes()
    put(shop, m__V1="ALTER TABLE odd ADD COLUMN fresh;", m__V2="SELECT fresh FROM odd;")
    told = lines(shop.run("check", "m", "--db", "shop.db", "--json"))
    assert [t["opinions"]["engine"] for t in told] == ["SEVERE", "READ"]
    assert (shop.folder / "shop.db").read_bytes() == before


def test_what_takes_back_is_judged_where_it_would_run_and_is_not_carried_on(shop: Shop) -> None:
    (shop.folder / "m").mkdir()
    (shop.folder / "m" / "1.up.sql").write_text("CREATE TABLE a (x);")
    (shop.folder / "m" / "1.down.sql").write_text("DROP TABLE a;")
    (shop.folder / "m" / "2.sql").write_text(TWO_WAYS)
    told = lines(shop.run("check", "m", "--json"))
    assert [(t["kind"], t["opinions"]["engine"]) for t in told] == [
        ("create", "WRITE"), ("drop", "SEVERE"), ("alter", "SEVERE"), ("alter", "SEVERE"),
    ]  # fmt: skip


# ---- which files ---------------------------------------------------------------------------------------------------


def test_files_folders_and_patterns_are_read_together_and_counted(shop: Shop) -> None:
    put(shop, m__1="SELECT 1;", m__2="SELECT 2; DELETE FROM t;", a="SELECT 3;", b="UPDATE t SET x = 1 WHERE y = 2;")
    ran = shop.run("check", "m", "[ab].sql")
    assert [line.split(":")[0] for line in ran.text.splitlines() if not line.startswith(" ")] == [
        "m/1.sql",
        "m/2.sql",
        "m/2.sql",
        "a.sql",
        "b.sql",
    ]
    assert "checked 4 files, 5 statements: 1 WRITE, 1 UNKNOWN" in " ".join(ran.err.split())
    assert ran.code == 5


def test_a_pattern_leaves_files_out(shop: Shop) -> None:
    put(shop, m__1="SELECT 1;", m__2="DELETE FROM t;", m__old_3="DELETE FROM t;")
    assert shop.run("check", "m", "--exclude", "2.sql", "--exclude", "m/old*").code == 0
    ran = shop.run("check", "m", "--exclude", "*")
    assert ran.code == 2
    assert "that is not excluded" in ran.err


@pytest.mark.parametrize("named", ["empty", "no*.sql", "gone.sql"])
def test_nothing_to_check_is_two_lines(shop: Shop, named: str) -> None:
    (shop.folder / "empty").mkdir()
    ran = shop.run("check", named)
    assert ran.code == 2
    assert [line.split(":")[0].strip() for line in ran.err.splitlines()] == ["error", "hint"]


def test_places_are_lines_and_columns_of_the_file(shop: Shop) -> None:
    put(shop, a="-- é\n  SELECT 1; UPDATE t\n SET x = 'ü';\n")
    first, second = lines(shop.run("check", "a.sql", "--json"))
    assert [first[k] for k in ("file", "line", "column", "end_line", "end_column")] == ["a.sql", 2, 3, 2, 11]
    assert [second[k] for k in ("file", "line", "column", "end_line", "end_column")] == ["a.sql", 2, 13, 3, 13]


# ---- allowances ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "DELETE FROM t; -- sqlagent: allow no-where because it is a scratch table",
        "-- sqlagent: allow no-where because it is a scratch table\nDELETE FROM t;",
        "DELETE /* sqlagent: allow no-where because it is a scratch table */\nFROM t",
    ],
)
def test_a_rule_is_allowed_on_a_line_and_that_is_listed(shop: Shop, script: str) -> None:
    put(shop, a=script)
    ran = shop.run("check", "a.sql")
    assert ran.code == 0
    assert "no-where, because it is a scratch table" in ran.text
    assert "no WHERE" not in ran.text
    (told,) = lines(shop.run("check", "a.sql", "--json"))
    assert told["allowed"] == [
        {"rule": "no-where", "reason": "it is a scratch table", "line": told["allowed"][0]["line"]}
    ]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("DELETE FROM t;\nDELETE FROM u; -- sqlagent: allow no-where because so", 5),
        ("-- sqlagent: allow no-where because so\nSELECT 1;\nDELETE FROM t;", 5),
        ("DELETE FROM t; -- sqlagent: allow schema-change because so", 5),
        ("UPDATE t SET x = NULL WHERE y = NULL; -- sqlagent: allow needs-approval because so", 5),
        ("UPDATE t SET x = 1 WHERE y = 2; -- sqlagent: allow needs-approval because so", 0),
        ("ATTACH 'x.db' AS y; -- sqlagent: allow no-where because so", 6),
        ("DELETE FROM t; -- sqlagent: allow no-where", 2),
        ("DELETE FROM t; -- sqlagent: allow nowhere because so", 2),
    ],
)
def test_an_allowance_reaches_no_further_than_it_says(shop: Shop, script: str, code: int) -> None:
    put(shop, a=script)
    assert shop.run("check", "a.sql").code == code


# ---- measured ------------------------------------------------------------------------------------------------------


def test_rows_and_causes_are_measured_and_nothing_is_on_record(shop: Shop) -> None:
    before = (shop.folder / "shop.db").read_bytes()
    put(shop, a="DELETE FROM orders WHERE id < 4;\nUPDATE odd SET value = 1;")
    ran = shop.run("check", "a.sql", "--db", "shop.db", "--measure")
    assert "- delete orders 3 of 40" in " ".join(ran.text.split())
    told = lines(shop.run("check", "a.sql", "--db", "shop.db", "--measure", "--json"))
    rows = {(o["verb"], o["target"]): (o["rows"], o["basis"]) for o in told[0]["operations"] if o["verb"] == "delete"}
    assert rows["delete", "orders"] == (3, "exact")
    assert (shop.folder / "shop.db").read_bytes() == before
    assert json.loads(shop.run("sessions", "--json").out)["threads"] == []
    assert "propos" not in shop.run("audit", "show").text


def test_measuring_needs_a_database(shop: Shop) -> None:
    ran = shop.run("check", "--sql", "DELETE FROM t", "--measure")
    assert ran.code == 2
    assert "--db" in ran.err


# ---- what other programs read --------------------------------------------------------------------------------------


def test_workflow_annotations_of_several_files_come_in_groups(shop: Shop) -> None:
    put(shop, m__1="DELETE FROM t;", m__2="DELETE FROM u;")
    text = shop.run("check", "m", "--format", "github", "--dialect", "postgres").text.splitlines()
    assert [line for line in text if line.startswith(("::group", "::end"))] == [
        "::group::m/1.sql", "::endgroup::", "::group::m/2.sql", "::endgroup::",
    ]  # fmt: skip


def test_gitlab_reads_one_array_with_fingerprints_of_their_own(shop: Shop) -> None:
    put(shop, m__1="DELETE FROM t;\nDELETE FROM t;", m__2="DELETE FROM t;")
    issues = json.loads(shop.run("check", "m", "--format", "gitlab", "--dialect", "postgres").out)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 3
    assert {(i["check_name"], i["severity"], i["location"]["path"]) for i in issues} == {
        ("no-where", "critical", "m/1.sql"), ("no-where", "critical", "m/2.sql"),
    }  # fmt: skip
    assert [i["location"]["lines"]["begin"] for i in issues] == [1, 2, 1]
    assert json.loads(shop.run("check", "--sql", "SELECT 1", "--format", "gitlab").out) == []


def test_a_scanner_s_document_names_each_file(shop: Shop) -> None:
    put(shop, m__1="DELETE FROM t;", m__2="SELECT 1;\n  DELETE FROM u;")
    document = json.loads(shop.run("check", "m", "--format", "sarif", "--dialect", "postgres").out)
    places = [r["locations"][0]["physicalLocation"] for r in document["runs"][0]["results"]]
    assert [(p["artifactLocation"]["uri"], p["region"]["startLine"], p["region"]["startColumn"]) for p in places] == [
        ("m/1.sql", 1, 1), ("m/2.sql", 2, 3),
    ]  # fmt: skip


def test_the_hook_for_commits_runs_as_it_is_written(shop: Shop) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["types"] == ["sql"]
    put(shop, a="SELECT 1;", b="DELETE FROM t;")
    assert shop.run(*hook["entry"].split()[1:], "a.sql").code == 0
    assert shop.run(*hook["entry"].split()[1:], "a.sql", "b.sql").code == 5


def test_the_workflow_runs_as_it_is_written(shop: Shop) -> None:
    workflow = yaml.safe_load((ROOT / "fixtures" / "ci" / "check-migrations.yml").read_text())
    command = workflow["jobs"]["check"]["steps"][-1]["run"]
    put(shop, migrations__1="CREATE TABLE a (x);", migrations__2="INSERT INTO a VALUES (1);")
    assert shop.run(*command.split()[1:]).code == 0
    put(shop, migrations__3="DELETE FROM a;")
    ran = shop.run(*command.split()[1:])
    assert ran.code == 5
    assert "::error file=migrations/3.sql,line=1" in ran.text
