"""How many drafts of the model agree with a proposal, and what the others say."""

from __future__ import annotations

from collections import Counter

from sqlagent.core.confidence import sureness
from sqlagent.core.nouns.session import Proposal
from sqlagent.ui.layout import Line, paragraph, shorten, text_line
from sqlagent.ui.visible import one_line


def agreement_lines(proposal: Proposal, columns: int) -> list[Line]:
    """`confidence: fair, 3 of 5 drafts agree; the others: SELECT ...`, on one line; nothing where nothing is known."""
    if proposal.confidence is None:
        return []
    count = len(proposal.others)
    word = sureness(proposal.confidence, proposal.drafts, proposal.chance, is_empty=bool(proposal.why_empty))
    if proposal.drafts == 1:
        return [text_line(f"  confidence: {word}")]
    if not count:
        return [text_line(f"  confidence: {word}, all drafts of the model agree")]
    # Each draft is among those that agree, or among the others: the share of the one gives the number of all.
    agree = round(count * proposal.confidence / max(1 - proposal.confidence, 1e-9))
    others = " | ".join(_said(sql) for sql in dict.fromkeys(proposal.others))
    words = f"confidence: {word}, {agree} of {agree + count} drafts agree; the other{'s' * (count > 1)}: {others}"
    return [text_line("  " + shorten(one_line(words), columns - 2))]


def other_drafts(proposal: Proposal, columns: int) -> list[Line]:
    """Every draft that does not agree, whole."""
    lines: list[Line] = []
    for sql, times in Counter(proposal.others).items():
        often = f"  (drafted {times} times)" if times > 1 else ""
        lines += paragraph((sql or _NO_SQL) + often, columns, first="    other    ", rest=" " * 13)
    return lines


def _said(sql: str) -> str:
    return " ".join(sql.split()) or _NO_SQL


_NO_SQL = "no SQL"
