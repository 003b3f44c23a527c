"""What a good DBA would remark about a statement: one function a rule, its docstring the manual page."""

from __future__ import annotations

from typing import Any

from sqlagent.core.model import Finding, SyntaxOpinion
from sqlagent.core.rules import of_denial, of_verdict
from sqlagent.core.rules.rule import Known, Rule

__all__ = ["Rule", "catalogue", "remarks_on", "verdict_rules"]

OF_VERDICT: tuple[Rule[Known], ...] = (
    of_denial.outside_database,
    of_denial.transaction_control,
    of_denial.unsafe_pragma,
    of_denial.session_change,
    of_denial.executable_comment,
    of_denial.hidden_characters,
    of_denial.too_large,
    of_verdict.opinions_differ,
    of_verdict.no_where,
    of_verdict.where_is_always_true,
    of_verdict.hidden_write,
    of_verdict.whole_table,
    of_verdict.no_undo,
    of_verdict.replace_deletes,
    of_verdict.schema_change,
    of_verdict.update_without_effect,
    of_verdict.full_scan,
    of_verdict.not_understood,
)
"""Every rule of the verdict, in the order in which a person should read what it says."""


def catalogue() -> tuple[Rule[Any], ...]:
    """Every rule there is, for `sqlagent help rules`."""
    return OF_VERDICT


def remarks_on(tree: Any, opinion: SyntaxOpinion, dialect: str) -> tuple[Finding, ...]:
    """What the rules of the text say of one statement."""
    return ()
