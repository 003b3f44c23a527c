"""What a good DBA would remark about a statement: one function a rule, its docstring the manual page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlagent.core.nouns.analysis import Finding, SyntaxOpinion
from sqlagent.core.nouns.rule import Known, Rule, Text
from sqlagent.core.rules import of_denial, of_traps, of_verdict

if TYPE_CHECKING:
    from sqlagent.core.text.parse_tree import Tree

__all__ = ["OF_VERDICT", "Rule", "catalogue", "remarks_on"]

OF_VERDICT: tuple[Rule[Known], ...] = (
    of_denial.outside_database,
    of_denial.transaction_control,
    of_denial.unsafe_pragma,
    of_denial.marker_table,
    of_denial.session_change,
    of_denial.executable_comment,
    of_denial.hidden_characters,
    of_denial.too_large,
    of_verdict.opinions_differ,
    of_verdict.no_where,
    of_verdict.where_is_always_true,
    of_verdict.hidden_write,
    of_verdict.not_measured,
    of_traps.outer_column,
    of_traps.no_such_column,
    of_traps.several_matches,
    of_traps.comment_contradicted,
    of_verdict.whole_table,
    of_verdict.no_undo,
    of_verdict.replace_deletes,
    of_verdict.schema_change,
    of_verdict.no_row_matches,
    of_verdict.audit_append,
    of_verdict.secrets,
    of_verdict.full_scan,
    of_verdict.reads_if,
    of_verdict.not_understood,
)
"""Every rule of the verdict, in the order in which a person should read what it says."""


def text_rules() -> tuple[Rule[Text], ...]:
    """Every rule of the text."""
    from sqlagent.core.rules import of_comparisons, of_joins, of_text  # need sqlglot, which takes 180 ms to import

    return (
        of_text.equals_null,
        of_text.null_in_not_in,
        of_text.like_without_wildcard,
        of_comparisons.same_column,
        of_comparisons.unquoted_date,
        of_comparisons.empty_range,
        of_joins.cartesian_join,
        of_text.and_or_mixed,
        of_text.double_quoted_string,
        of_text.limit_without_order,
        of_text.update_without_effect,
    )


def catalogue() -> tuple[Rule[Any], ...]:
    """Every rule there is, for `sqlagent help rules`."""
    return (*OF_VERDICT, *text_rules())


def remarks_on(tree: Tree, opinion: SyntaxOpinion, dialect: str) -> tuple[Finding, ...]:
    """What the rules of the text say of one statement."""
    text = Text(tree, opinion, dialect)
    return tuple(finding for rule in text_rules() for finding in rule.findings(text))
