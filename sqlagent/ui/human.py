"""What a person sees of a proposal before deciding: facts first, and nearest the prompt what matters most."""

from __future__ import annotations

from enum import StrEnum

from sqlagent.core.approval.batch import Alike
from sqlagent.core.nouns.analysis import Analysis, Risk, Statement, Verb
from sqlagent.core.nouns.session import Proposal
from sqlagent.core.text.counted import counted
from sqlagent.core.text.lexer import COMMENT, scan
from sqlagent.ui.agreement import agreement_lines, other_drafts
from sqlagent.ui.batch import batch_lines, dialect_of, finding_lines, groups_of
from sqlagent.ui.effects import measured_lines, sample_lines
from sqlagent.ui.layout import Block, Line, Role, Span, local, pad, paragraph, text_line, wrap
from sqlagent.ui.operations import operation_lines, shown_operations
from sqlagent.ui.people import people_lines
from sqlagent.ui.visible import one_line, visible, width

_RISK_ROLE = {Risk.READ: Role.ADDED, Risk.WRITE: Role.CHANGED, Risk.SEVERE: Role.REMOVED, Risk.UNKNOWN: Role.UNSURE}
_LONGEST_QUESTION = 1_000
_LONGEST_TO_DIM = 100_000
"""Characters of SQL in which comments are looked for."""
_PUT_BACK = dict.fromkeys((Verb.INSERT, Verb.UPDATE, Verb.CREATE, Verb.ALTER), " back")
"""What an undo does with what is not as it was; what the run had made, it takes out like any other change."""


def allowed(proposal: Proposal, *, columns: int = 80) -> Block:
    """What the policy lets run without a person: the whole SQL, what it touches, and the rule that allows it."""
    tables = dict.fromkeys(one_line(table) for s in proposal.analysis.statements for table in (*s.writes, *s.reads))
    word = "reads" if proposal.analysis.risk is Risk.READ else "changes"
    said = f"{word} {', '.join(tables) or 'no table'}; allowed by policy {proposal.policy.removeprefix('allow')}"
    sql = (*numbered(proposal.sql, columns=columns), *corrected(proposal, columns))
    several = len(proposal.analysis.statements) > 1
    traps = finding_lines(groups_of(proposal), columns, several=several)  # nobody is asked, but somebody reads
    said_of_it = (*in_words(proposal, columns), *traps, *paragraph(said.rstrip(), columns))
    return Block((*sql, *said_of_it, text_line()))


class Body(StrEnum):
    """Where the SQL of a review is."""

    WHOLE = "whole"
    PAGED = "paged"
    """A pager has just shown it, and the review says so in its place."""


def review(
    proposal: Proposal, *, columns: int = 80, body: Body = Body.WHOLE, title: str = "If you approve", measured: str = ""
) -> Block:
    """The approval screen, without the keys; `title` stands over what it does, `measured` says how old that is."""
    rule = text_line("─" * columns, Role.FAINT)
    lines = [rule, *heading(proposal, columns=columns), text_line()]
    if body is Body.WHOLE:
        sql = numbered(proposal.sql, columns=columns, dialect=dialect_of(proposal))
        lines += [*sql, *corrected(proposal, columns), *in_words(proposal, columns), text_line()]
    else:
        count = len(_sql_lines(proposal.sql))
        lines += [text_line(f"  ({count:,} lines of SQL, shown before this; [s] shows them again)")]
        lines += [*corrected(proposal, columns), *in_words(proposal, columns), text_line()]
    lines += _edited(proposal, columns)
    groups = groups_of(proposal)
    lines += _consequences(proposal, groups, columns, title, measured)
    lines += _remarks(proposal, groups, columns)
    return Block((*lines, rule))


def corrected(proposal: Proposal, columns: int) -> list[Line]:
    """What was changed in the model's draft, under the SQL."""
    return paragraph(f"corrected {'; '.join(proposal.corrections)}", columns) if proposal.corrections else []


def in_words(proposal: Proposal, columns: int) -> list[Line]:
    """What a statement that stands alone does, in words; of several, each is told where it is looked at."""
    statements = proposal.analysis.statements
    return words_lines(statements[0], columns) if len(statements) == 1 else []


def words_lines(statement: Statement, columns: int) -> list[Line]:
    """The sentence, and what it takes for granted."""
    lines = paragraph(f"in words: {statement.words}", columns) if statement.words else []
    for assumed in statement.assumes:
        lines += paragraph(assumed, columns, first="    - ", rest="      ", role=Role.FAINT)
    return lines


def heading(proposal: Proposal, *, columns: int) -> list[Line]:
    """The thread, the question, the risk in a word, the database."""
    risk = proposal.analysis.risk
    title = proposal.question if len(proposal.analysis.statements) < 2 else _batch_title(proposal)
    if len(title) > _LONGEST_QUESTION:
        title = f"{title[:_LONGEST_QUESTION]}... ({len(title):,} characters)"
    database = one_line(proposal.database)
    right = width(risk.name) + 2 + width(database)
    name = f"{one_line(proposal.thread)}  "
    room = columns - len(name) - right - 2
    own_line = room < 20
    pieces = [
        piece
        for line in (visible(title).expandtabs(4) or "(no question)").split("\n")
        for piece in wrap(line, columns - len(name) - 1 if own_line else room)
    ]
    verdict = (Span(risk.name, _RISK_ROLE[risk]), Span(f"  {database}", Role.STRONG))
    first: Line = (Span(name, Role.STRONG), Span(pieces[0], Role.STRONG))
    if not own_line:
        first = (first[0], Span(pad(pieces[0], room) + "  ", Role.STRONG), *verdict)
    rest = [text_line(" " * len(name) + piece, Role.STRONG) for piece in pieces[1:]]
    return [first, *rest, (Span(" " * len(name)), *verdict)] if own_line else [first, *rest]


def unasked(proposal: Proposal, *, columns: int = 80) -> Block:
    """What runs without a question because the policy allows it: the SQL, and by which rule."""
    reads = kind_words(proposal.analysis).partition(", ")[2]
    said = f"{reads}; policy: {proposal.policy}"
    sql = (*numbered(proposal.sql, columns=columns), *corrected(proposal, columns))
    return Block((*sql, *in_words(proposal, columns), *paragraph(said, columns)))


def _batch_title(proposal: Proposal) -> str:
    return f"{proposal.question}, {len(proposal.analysis.statements)} statements, one transaction"


def numbered(sql: str, *, columns: int, dialect: str = "sqlite") -> list[Line]:
    """The whole SQL, a number before each of its lines and `...` before what continues one; comments are dimmed."""
    lines = _sql_lines(sql.removesuffix("\n"))
    gutter = max(len(str(len(lines))), 3)
    faint = _comments("\n".join(lines), dialect)
    drawn: list[Line] = []
    start = 0
    for number, line in enumerate(lines, 1):
        at = start
        for index, piece in enumerate(wrap(line, columns - gutter - 1)):
            mark = "..." if index else str(number)
            drawn.append((Span(f"{mark:>{gutter}} ", Role.FAINT), *_with_comments(piece, at, faint)))
            at += len(piece)
        start += len(line) + 1
    if "\r\n" in sql:
        drawn.append(text_line("    (its lines end in CR LF)", Role.FAINT))
    return drawn


def _comments(text: str, dialect: str) -> list[tuple[int, int]]:
    """Where comments stand; nowhere in what is longer than anybody reads."""
    if len(text) > _LONGEST_TO_DIM or not any(mark in text for mark in ("--", "/*", "#")):
        return []
    return [(token.start, token.end) for token in scan(text, dialect) if token.kind == COMMENT]


def _with_comments(piece: str, at: int, faint: list[tuple[int, int]]) -> list[Span]:
    """A piece of a line that stands `at` a place of the text, cut where comments begin and end."""
    spans, done = [], 0
    for begin, end in faint:
        first, last = max(begin - at, done), min(end - at, len(piece))
        if first < last:
            spans += [Span(piece[done:first])] if first > done else []
            spans.append(Span(piece[first:last], Role.FAINT))
            done = last
    return [*spans, Span(piece[done:])] if done < len(piece) or not spans else spans


def _sql_lines(sql: str) -> list[str]:
    return visible(sql.replace("\r\n", "\n")).expandtabs(8).split("\n")


def diff(before: str, after: str, *, columns: int = 80) -> Block:
    """The lines an edit took out and put in."""
    lines: list[Line] = []
    for sign, line in _changes(before, after):
        role = Role.REMOVED if sign == "-" else Role.ADDED
        for index, piece in enumerate(wrap(line, columns - 5)):
            lines.append(text_line(("     " if index else f"  {sign}  ") + piece, role))
    return Block(tuple(lines))


def edit_size(before: str, after: str) -> str:
    """`1 line changed`, and `edited` where only white space at an end differs."""
    changes = _changes(before, after)
    count = max(sum(sign == "-" for sign, _ in changes), sum(sign == "+" for sign, _ in changes))
    return f"{counted(count, 'line')} changed"


def _changes(before: str, after: str) -> list[tuple[str, str]]:
    import difflib  # 4 ms that only an edit needs

    found = difflib.unified_diff(_sql_lines(before), _sql_lines(after), n=0, lineterm="")
    return [(line[0], line[1:]) for line in [*found][2:] if line[0] in "-+"]


def _edited(proposal: Proposal, columns: int) -> list[Line]:
    if not proposal.previous:
        return []
    words = f"edited by {one_line(proposal.edited_by or proposal.author)}"
    size = edit_size(proposal.previous, proposal.sql)
    return [
        text_line(f"{words}: {size}", Role.STRONG),
        *diff(proposal.previous, proposal.sql, columns=columns).lines,
        text_line(),
    ]


# ---- what it does ------------------------------------------------------------------------------------------------


def _consequences(proposal: Proposal, groups: list[Alike], columns: int, title: str, measured: str) -> list[Line]:
    stage = f"stage {proposal.stage} of {proposal.stages}" if proposal.stages > 1 else ""
    expires = f"expires {local(proposal.expires_at)}" if proposal.expires_at else ""
    bounds = ", ".join(filter(None, (stage, expires, measured)))
    lines = [text_line(title + (f"  ({bounds})" if bounds else ""), Role.STRONG)]
    if len(proposal.analysis.statements) > 1:
        return [*lines, *batch_lines(groups, columns)]
    operations = [op for statement in proposal.analysis.statements for op in shown_operations(statement)]
    return lines + operation_lines(operations, columns=columns, after=_PUT_BACK if proposal.undo_of else {})


# ---- what to know of it ------------------------------------------------------------------------------------------


def _remarks(proposal: Proposal, groups: list[Alike], columns: int) -> list[Line]:
    analysis = proposal.analysis
    lines = finding_lines(groups, columns, several=len(analysis.statements) > 1)
    if proposal.measurement is not None:
        lines += measured_lines(proposal.measurement, columns)
    if proposal.stale:
        lines += paragraph(f"! asked again: {proposal.stale}", columns)
    for why in proposal.why_empty:
        lines += paragraph(f"! it comes back empty: {why}", columns)
    for caution in proposal.cautions:
        lines += paragraph(f"! {one_line(caution)}", columns)
    lines += _tried(proposal, columns)
    lines += [] if proposal.undo_of else paragraph(kind_words(analysis), columns)
    lines += agreement_lines(proposal, columns)
    lines += people_lines(proposal, columns)
    because = f": {proposal.why}" if proposal.why else ""
    return [*lines, *paragraph(f"policy: {proposal.policy}{because}", columns)]


def _tried(proposal: Proposal, columns: int) -> list[Line]:
    count = len(proposal.attempts)
    if not count:
        return []
    errors = "; ".join(dict.fromkeys(one_line(attempt.error) for attempt in proposal.attempts))
    times = f"tried {counted(count, 'time')} before"
    return paragraph(f"{times}: {errors}", columns)


def kind_words(analysis: Analysis) -> str:
    """`update, reads orders, customers`."""
    kinds = ", ".join(dict.fromkeys(statement.kind.value for statement in analysis.statements))
    tables = dict.fromkeys(one_line(table) for statement in analysis.statements for table in statement.reads)
    return f"kind: {kinds}, reads {', '.join(tables) or 'no table'}"


def statement_view(proposal: Proposal, index: int, *, columns: int) -> Block:
    """One statement of several, as closely as if it were alone."""
    statement = proposal.analysis.statements[index - 1]
    alone = Analysis((statement,))
    title = f"statement {index} of {len(proposal.analysis.statements)}, line {statement.line}, {statement.risk.name}"
    lines = [text_line(f"  {title}", Role.STRONG), *numbered(statement.sql, columns=columns)]
    lines += words_lines(statement, columns)
    lines += operation_lines(shown_operations(statement), columns=columns)
    for finding in statement.findings:
        lines += paragraph(f"! {finding.message}  [{finding.rule}]", columns)
    lines += paragraph(kind_words(alone), columns)
    for step in statement.plan:
        lines += paragraph(f"plan: {step}", columns)
    return Block(tuple(lines))


def details(proposal: Proposal, *, columns: int = 80) -> Block:
    """What is known beyond the review, and only here what the model says of its own SQL."""
    lines = [text_line(f"  details of {one_line(proposal.thread)}", Role.STRONG)]
    several = len(proposal.analysis.statements) > 1
    for statement in proposal.analysis.statements:
        place = f"{statement.index}: " if several else ""
        opinions = ", ".join(f"{source} {said}" for source, said in statement.opinions.items())
        lines += _detail("plan", [place + step for step in statement.plan], columns)
        lines += _detail("opinions", [place + opinions] if opinions else [], columns)
    lines += _detail(
        "digest", [f"sha256 {grouped(proposal.digest)}", "(approval is void if one byte changes)"], columns
    )
    lines += _detail("database", [proposal.target], columns)
    lines += _detail(
        "author", [f"{proposal.author}, asked by {proposal.requested_by}, {local(proposal.created_at)}"], columns
    )
    if proposal.measurement is not None:
        lines += sample_lines(proposal.measurement, columns=columns)
    for number, attempt in enumerate(proposal.attempts, 1):
        lines += _detail(f"try {number}", [attempt.error, *attempt.sql.split("\n")], columns)
    lines += _detail("drafted", proposal.drafted.split("\n") if proposal.drafted else [], columns)
    lines += other_drafts(proposal, columns)
    if proposal.note:
        lines += [text_line("    model says, unchecked:")]
        lines += paragraph(f'"{proposal.note}"', columns, first="      ", rest="      ")
    return Block(tuple(lines))


def _detail(label: str, facts: list[str], columns: int) -> list[Line]:
    lines: list[Line] = []
    for fact in facts:
        lines += paragraph(fact, columns, first=f"    {'' if lines else label:<9}", rest=" " * 13)
    return lines


def grouped(digest: str) -> str:
    """A digest in groups of four, as a person compares it."""
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))
