"""Policy files: how they are found and put together, and every mistake with its line and what is right instead."""

from __future__ import annotations

import pytest
from config_folders import Folders

from sqlagent.config.files import lines_of
from sqlagent.core.errors import ConfigError
from sqlagent.core.policy import Ask, Deny, OnTimeout, Origin, Stage

GOOD = """\
timezone = "Europe/Berlin"
[roles]
dba = ["ana", "ben"]

[[rule]]
id = "no-drops"
when = { database = "prod", verb = ["drop", "alter"] }
then = "deny"
why  = "schema changes go through migrations"

[[rule]]
id = "large"
then = "ask"
stages = [
  { name = "technical", role = "dba", expires = "30m", on_timeout = "escalate" },
  { name = "business", people = 2, not_requester = true },
]
[rule.when]
risk = ">=severe"
"""


def written(folders: Folders, text: str, name: str = "policy.toml") -> str:
    (folders.cwd / name).write_text(text)
    return name


def rule(line: str, *, then: str = 'then = "ask"') -> str:
    return f'[roles]\ndba = ["ana", "ben"]\n[[rule]]\nid = "r"\n{then}\n{line}\n'


def test_a_file_becomes_rules_with_their_lines(folders: Folders) -> None:
    book = folders.load({"policy": written(folders, GOOD)}).rules
    assert [(r.id, r.where, r.origin) for r in book.rules] == [
        ("no-drops", "policy.toml:5", Origin.USER),
        ("large", "policy.toml:11", Origin.USER),
    ]
    assert book.rules[0].then == Deny("no-drops", "schema changes go through migrations", ("policy.toml:5",))
    assert book.rules[1].then == Ask(
        "large",
        (
            Stage("technical", "dba", ("ana", "ben"), expires=1800.0, on_timeout=OnTimeout.ESCALATE),
            Stage("business", people=2, not_requester=True),
        ),
        where=("policy.toml:11",),
    )
    assert (book.roles, book.timezone) == ({"dba": ("ana", "ben")}, "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("rules = 1", 1, "no key named rules", "did you mean rule?"),
        ("rule = 1", 1, "rule must be tables", "[[rule]]"),
        ("[[rule]]\nthen = 'deny'", 1, "rule 1 has no id", "id ="),
        ("[[rule]]\nid = 'No Drops'\nthen = 'deny'", 2, "id is not of small letters", "no-drops"),
        ("[[rule]]\nid = 'reads'\nthen = 'deny'", 2, "reads is a rule that is built in", "another id"),
        ("[[rule]]\nid = 'r'", 1, "r has no then", "deny"),
        ("[[rule]]\nid = 'r'\nthen = 'alow'", 3, 'r: then cannot be "alow"', "did you mean allow?"),
        ("[[rule]]\nid = 'r'\nthen = { asks = 1 }", 3, "r: then cannot be", "people = 2"),
        (rule("whem = {}"), 6, "r: no key named whem", "did you mean when?"),
        (rule("when = 3"), 6, "r: when must be a table", ">=write"),
        (rule("why = 3"), 6, "r: why must be one line of text", "why ="),
        (rule('when = { databse = "x" }'), 6, "r: no key named when.databse", "did you mean database?"),
        (rule('[rule.when]\nrow = "<=1"'), 7, "r: no key named when.row", "did you mean rows?"),
        (rule("when = { kind = 'deletes' }"), 6, 'r: kind cannot be "deletes"', "did you mean delete?"),
        (rule("when = { verb = [] }"), 6, "r: verb is an empty list, which nothing matches", "leave it out"),
        (rule("when = { table = 3 }"), 6, "r: table must be text or a list of texts, not 3", "orders"),
        (rule("when = { columns = 'iban' }"), 6, "r: columns names a column without its table", '"*.iban"'),
        (rule("when = { risk = '>=wirte' }"), 6, 'r: risk cannot be "wirte"', "did you mean write?"),
        (rule("when = { risk = '>unknown' }"), 6, "r: risk holds for no risk", ">=write"),
        (rule("when = { rows = 100 }"), 6, "r: rows must be text", "<=100"),
        (rule("when = { rows = '100' }"), 6, 'r: rows is no comparison: "100"', "<= >= < > ="),
        (rule("when = { rows = '<1.5' }"), 6, "r: rows compares with a part of a row", "<=100"),
        (rule("when = { rows = '<0' }"), 6, "r: rows holds for no number", "<=100"),
        (rule("when = { rows = ['>10', '<11'] }"), 6, "r: rows holds for no number", "<=100"),
        (rule("when = { confidence = '>1' }"), 6, "r: confidence holds for no number", "<0.8"),
        (rule("when = { confidence = '<80' }"), 6, "r: confidence is out of range", "from 0 to 1"),
        (rule("when = { effect = '>0' }"), 6, "r: effect must be a table of tables", "orders"),
        (rule("when = { effect = {} }"), 6, "r: effect must be a table of tables", "orders"),
        (rule("when = { effect = { orders = { drop = '>0' } } }"), 6, 'r: effect cannot be "drop"', "one of: insert"),
        (rule("when = { effect = { orders = {} } }"), 6, "r: effect of orders is empty", "orders"),
        (rule("when = { hidden = 'yes' }"), 6, "r: hidden must be true or false", "without quotes"),
        (rule("when = { undo = 'exactly' }"), 6, 'r: undo cannot be "exactly"', "did you mean exact?"),
        (rule("when = { requester = 'role:dbas' }"), 6, 'r: requester names no role: "dbas"', "did you mean dba?"),
        (rule("when = { time = '22-6' }"), 6, 'r: time is no span of a day: "22-6"', "22:00-06:00"),
        (rule("when = { time = '24:00-06:00' }"), 6, "r: time is no span of a day", "22:00-06:00"),
        (rule("when = { time = '06:00-06:00' }"), 6, "r: time begins where it ends", "leave it out"),
        (rule("when = { days = 'saturday' }"), 6, 'r: days cannot be "saturday"', ""),
        (rule("when = { environment = 'CI/CD' }"), 6, 'r: environment cannot be "ci/cd"', ""),
        (rule("when = { risk = 'unknown' }", then="then = 'allow'"), 6, "r: nothing unknown is ever allowed", "ask"),
        (rule("stages = []"), 6, "r: stages must be a list of stages", "role"),
        (rule("stages = [{}]", then="then = 'deny'"), 6, "r: stages are for a rule that asks", "ask"),
        (rule("stages = [{}, {}]"), 6, "r: stages has two stages of one name and role", "people = 2"),
        (rule("stages = [{ rolle = 'dba' }]"), 6, "r: stages has no key rolle", "did you mean role?"),
        (rule("stages = [{ role = 'dbs' }]"), 6, 'r: stages names no role: "dbs"', "did you mean dba?"),
        (rule("stages = [{ role = 'dba', people = 3 }]"),
         6, "r: stages needs 3 people who hold dba, and only ana and", "[roles]"),
        (rule("stages = [{ name = 'a', role = 'dba', people = 2 }, { name = 'b', role = 'dba' }]"), 6,
         "r: stages needs 3 different people, and there are only ana, ben", "nobody fills two seats"),
        (rule("stages = [{ expires = '1h', on_timeout = 'escalate' }]"),
         6, "r: stages ends in a stage with nobody to", "reject"),
        (rule("stages = [{ on_timeout = 'reject' }]"), 6, "r: stages has on_timeout and no expires", "30m"),
        (rule("stages = [{ expires = '1h', on_timeout = 'escalte' }]"),
         6, "r: stages on_timeout cannot be", "escalate?"),
        (rule("stages = [{ expires = 'soon' }]"), 6, "r: stages expires is not a duration: soon", "30s"),
        (rule("stages = [{ expires = 0 }]"), 6, "r: stages expires is over at once", "30m"),
        (rule("stages = [{ people = 0 }]"), 6, "r: stages people is out of range: 0", "from 1 to 20"),
        (rule("stages = [{ people = true }]"), 6, "r: stages people must be a whole number, not true", "people = 2"),
        (rule("stages = [{ not_requester = 'yes' }]"), 6, "r: stages not_requester must be true or false", "quotes"),
        (rule("", then="then = { ask = { people = 2, stages = [{}] } }"),
         5, "r: then has stages and people side by", "into a stage"),
        (rule("", then="then = { ask = 2 }"), 5, "r: then must be a table, not 2", "people = 2"),
        ("timezone = 'Mars'", 1, 'timezone is none that is known here: "Mars"', "Europe/Berlin"),
        ("timezone = '../../etc/passwd'", 1, "timezone is none that is known here", "Europe/Berlin"),
        ("timezone = 3", 1, "timezone is none that is known here: 3", "Europe/Berlin"),
        ("[roles]\ndba = []", 2, "role dba is an empty list", ""),
        ("[roles]\ndba = [3]", 2, "role dba must be text or a list of texts, not 3", "ana"),
        ("roles = 3", 1, "roles must be a table", "[roles]"),
        ("[[rule]]\nid = 'r'\nthen = 'deny'\n[[rule]]\nid = 'r'\nthen = 'ask'",
         4, "r is the id of policy.toml:1 too", ""),
        ("[[rule]\n", 1, "column ", "key ="),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_its_remedy(
    folders: Folders, text: str, line: int, message: str, hint: str
) -> None:
    name = written(folders, text)
    with pytest.raises(ConfigError) as refused:
        _ = folders.load({"policy": name}).rules
    assert refused.value.message.startswith(f"policy.toml:{line}: {message}")
    assert hint in refused.value.hint
    assert refused.value.hint
    assert refused.value.message in [p.sentence for p in folders.check({"policy": name})]


def test_every_mistake_of_every_rule_is_named_at_once(folders: Folders) -> None:
    text = "[[rule]]\nid = 'a'\nthen = 'alow'\nwhen = { row = 1, kind = 'x' }\n[[rule]]\nid = 'b'\n"
    problems = folders.check({"policy": [written(folders, text), "missing.toml"]})
    assert [(p.file, p.line, p.key) for p in problems] == [
        ("missing.toml", 0, ""),
        ("policy.toml", 3, "then"),
        ("policy.toml", 4, "row"),
        ("policy.toml", 4, "kind"),
        ("policy.toml", 5, "2"),
    ]


def test_a_file_that_is_not_there_is_an_error_and_not_no_policy(folders: Folders) -> None:
    with pytest.raises(ConfigError, match=r"^policies/x\.toml does not exist$") as refused:
        _ = folders.load(SQLAGENT_POLICY="policies/x.toml").rules
    assert "SQLAGENT_POLICY" in refused.value.hint


# ---- who names files -------------------------------------------------------------------------------------------

ALLOW = '[[rule]]\nid = "{id}"\nthen = "allow"\n'


def test_files_of_all_sources_add_up(folders: Folders) -> None:
    for name in ("flag", "more", "variable", "project"):
        written(folders, ALLOW.format(id=name), f"{name}.toml")
    (folders.user_file.parent / "mine.toml").write_text(ALLOW.format(id="user"))
    folders.user('policy = "mine.toml"')
    folders.project('policy = ["project.toml"]')
    book = folders.load({"policy": ["flag.toml", "more.toml"]}, SQLAGENT_POLICY="variable.toml").rules
    assert {r.id: r.origin for r in book.rules} == {
        "flag": Origin.USER,
        "more": Origin.USER,
        "variable": Origin.USER,
        "user": Origin.USER,
        "project": Origin.PROJECT,
    }
    assert any("project has no effect: a project's file may not allow" in note for note in book.notes)


def test_a_variable_may_name_several(folders: Folders) -> None:
    for name in ("a", "b"):
        written(folders, ALLOW.format(id=name), f"{name}.toml")
    assert [r.id for r in folders.load(SQLAGENT_POLICY="a.toml, b.toml").rules.rules] == ["a", "b"]


def test_a_file_that_the_user_names_too_is_the_users(folders: Folders) -> None:
    written(folders, ALLOW.format(id="a"), "policy.toml")
    folders.project('policy = "policy.toml"')
    (rule,) = folders.load({"policy": "./policy.toml"}).rules.rules
    assert rule.origin is Origin.USER
    (rule,) = folders.load().rules.rules
    assert rule.origin is Origin.PROJECT


def test_a_projects_roles_are_for_its_own_rules_and_never_the_users(folders: Folders) -> None:
    ask = '[[rule]]\nid = "{id}"\nthen = {{ ask = {{ role = "{role}" }} }}\n'
    written(folders, '[roles]\ndba = ["eve"]\nqa = ["eve"]\n' + ask.format(id="p", role="dba"), "project.toml")
    written(folders, '[roles]\ndba = ["ana"]\n' + ask.format(id="u", role="dba"), "mine.toml")
    folders.project('policy = "project.toml"')
    book = folders.load({"policy": "mine.toml"}).rules
    assert [stage.who for r in book.rules if isinstance(r.then, Ask) for stage in r.then.stages] == [("ana",), ("ana",)]
    written(folders, ask.format(id="u", role="qa"), "mine.toml")
    with pytest.raises(ConfigError, match='u: then names no role: "qa"'):
        _ = folders.load({"policy": "mine.toml"}).rules


def test_a_role_is_defined_in_one_of_the_users_files(folders: Folders) -> None:
    for name in ("a", "b"):
        written(folders, '[roles]\ndba = ["ana"]\n', f"{name}.toml")
    with pytest.raises(ConfigError, match=r"b\.toml:2: role dba is defined in a\.toml:2 too"):
        _ = folders.load({"policy": ["a.toml", "b.toml"]}).rules


def test_config_show_names_every_file_and_who_named_it(folders: Folders) -> None:
    for name in ("a", "b"):
        written(folders, "", f"{name}.toml")
    folders.project('policy = "b.toml"')
    assert folders.origin("policy", {"policy": "a.toml"}) == "--policy, ./sqlagent.toml:1"


# ---- what surprises --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("[[rule]]\nid='a'\nwhen={environment='ci'}\nthen='allow'", "a allows by environment, which is what a process"),
        ("[[rule]]\nid='a'\nthen='deny'\n[[rule]]\nid='b'\nwhen={risk='read'}\nthen='allow'", "b never counts: a "),
        ("[[rule]]\nid='a'\nwhen={kind='drop'}\nthen='deny'\n[[rule]]\nid='b'\nwhen={kind='drop',database='x'}\nthen='ask'",
         "b never counts: a [policy.toml:1] is stricter wherever it matches"),
        ("[roles]\ndba=['ana']\n[[rule]]\nid='a'\nthen={ask={role='dba',not_requester=true}}",
         "a: too few are left to approve what ana asks for"),
    ],
)  # fmt: skip
def test_what_is_no_mistake_and_surprises_is_noted(folders: Folders, text: str, note: str) -> None:
    (found,) = folders.load({"policy": written(folders, text)}).rules.notes
    assert note in found


def test_a_rule_with_other_conditions_is_not_called_useless(folders: Folders) -> None:
    text = "[[rule]]\nid='a'\nwhen={kind='drop'}\nthen='deny'\n[[rule]]\nid='b'\nwhen={kind='delete'}\nthen='ask'"
    assert folders.load({"policy": written(folders, text)}).rules.notes == ()


def test_lines_of_tables_in_arrays_are_told_apart() -> None:
    lines = lines_of("[[rule]]\nid = 1\n[rule.when]\nx = 1\n[[rule]]\nwhen = { x = [\n1 ] }\n[other]\nid = 2\n")
    assert lines["rule", "1", "when", "x"] == 4
    assert lines["rule", "2"] == 5
    assert lines["rule", "2", "when", "x"] == 6
    assert lines["other", "id"] == 9
