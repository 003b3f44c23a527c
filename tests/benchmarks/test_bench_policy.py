"""How long the policy takes: 1,000 rules x 1,000 statements.  Prints; asserts no time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_builders import a_measurement, a_policy, a_rule, a_statement, some_facts

from sqlagent.config.files import PolicyFile
from sqlagent.config.policies import read
from sqlagent.core.nouns.analysis import Analysis, Kind
from sqlagent.core.nouns.verbs import Verb
from sqlagent.core.policy import Ask, Origin, Rule, decide

pytestmark = pytest.mark.benchmark
KINDS = (Kind.UPDATE, Kind.DELETE, Kind.INSERT)


def some_rules(number: int) -> list[Rule]:
    """Of every shape, over as many tables as rules; none of them denies what the statements do."""
    shapes: list[tuple[str, Callable[[int], dict[str, Any]]]] = [
        ("deny", lambda n: {"table": f"secret_{n}*", "verb": ["drop", "delete"]}),
        ("ask 2 dba", lambda n: {"database": "prod*", "risk": ">=write", "table": f"t{n}"}),
        ("allow", lambda n: {"table": [f"t{n}", f"tmp_{n}_*"], "rows": "<=100", "undo": True, "hidden": False}),
        ("deny", lambda n: {"columns": f"t{n}.iban", "time": "22:00-06:00", "environment": "ci"}),
        ("ask", lambda n: {"effect": {f"t{n}": {"delete": ">100"}}, "requester": "role:dba"}),
    ]
    return [a_rule(shapes[n % 5][0], f"r{n}", **shapes[n % 5][1](n)) for n in range(number)]


@pytest.mark.parametrize("tables", [20, 1_000], ids=["20-tables", "a-table-each"])
def test_a_thousand_rules_and_a_thousand_statements(tables: int) -> None:
    rules = some_rules(1_000)
    statements = tuple(
        a_statement(KINDS[n % 3], f"t{n % tables}", columns=[f"t{n % tables}.total"], index=n + 1) for n in range(1_000)
    )
    facts = some_facts(measurement=a_measurement(("t1", Verb.UPDATE, 3), statements=1_000))
    began = time.process_time()
    verdict = decide(Analysis(statements), a_policy(*rules), facts)
    seconds = time.process_time() - began
    print(f"\n1,000 rules x 1,000 statements on {tables:,} tables: {seconds:.3f} s")
    assert isinstance(verdict, Ask)


def test_reading_a_thousand_rules(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        "".join(
            f'[[rule]]\nid = "r{n}"\nwhen = {{ database = "prod", table = "t{n}", rows = ">{n}" }}\nthen = "ask"\n'
            for n in range(1_000)
        )
    )
    began = time.process_time()
    book = read([PolicyFile(path, "policy.toml", Origin.USER, "--policy")], tmp_path)
    seconds = time.process_time() - began
    print(f"\nreading 1,000 rules: {seconds:.3f} s")
    assert len(book.rules) == 1_000
