"""What the model answered, as SQL, a refusal, a question back or neither; the SQL is kept exactly as it was written.

Models are asked for bare SQL and answer with fences, JSON, thoughts and explanations all the same.  Several pieces of
SQL are one script when they are steps (writes, or reads after words like `then`), in the order given.  When they are
rivals (two reads with nothing between them that says otherwise, two changes of the same table, or words like
`alternatively`), they are never merged: the first counts, a later one that says it corrects it counts instead, and
the note says that there were others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlagent.core.nouns.draft import Draft
from sqlagent.core.text.raw_checks import is_hidden
from sqlagent.llm.marks import answer_in

RIVALS = "the model gave {count} different answers; this is {which}"
SCRIPT = "the model gave {count} pieces of SQL; they are one script here"

_NAME = r"(?:[\w.]+|\"[^\"\n]+\"|`[^`\n]+`|\[[^\]\n]+\])"
_OPENING = re.compile(
    rf"""(?:
      SELECT\b(?!\s+(?:the|your|this)\s+\w)
    | WITH\s+(?:RECURSIVE\s+)?{_NAME}\s*(?:\([^)]*\)\s*)?AS\s*(?:(?:NOT\s+)?MATERIALIZED\s*)?\(
    | VALUES\s*\( | \(\s*SELECT\b
    | (?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO\s+{_NAME}
    | UPDATE\s+(?:OR\s+\w+\s+)?(?:ONLY\s+)?{_NAME}\s+(?:AS\s+)?(?:\w+\s+)?SET\b
    | DELETE\s+FROM\s+{_NAME} | MERGE\s+INTO\b | TRUNCATE\s+(?:TABLE\s+)?{_NAME}\s*(?:;|$|CASCADE|RESTART)
    | (?:CREATE|DROP|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+|UNIQUE\s+|VIRTUAL\s+|MATERIALIZED\s+)*
        (?:TABLE|VIEW|INDEX|TRIGGER|SCHEMA|DATABASE|SEQUENCE|FUNCTION|TYPE|EXTENSION)\s+
        (?:IF\s+(?:NOT\s+)?EXISTS\s+)?{_NAME}
    | PRAGMA\s+\w | EXPLAIN\s+(?:QUERY\s+PLAN\s+|ANALYZE\s+)?(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b
    | (?:VACUUM|REINDEX|ANALYZE|BEGIN|COMMIT|ROLLBACK|END)
        (?:\s+(?:TRANSACTION|WORK|IMMEDIATE|EXCLUSIVE|{_NAME}))?\s*(?:;|$)
    | SAVEPOINT\s+\w+\s*(?:;|$) | ATTACH\s+(?:DATABASE\s+)?\S+\s+AS\b | DETACH\s+(?:DATABASE\s+)?\w+\s*(?:;|$)
    | (?:GRANT|REVOKE)\s+\w[\w,\s]*\sON\b | SHOW\s+\w+\s*(?:;|$) | SET\s+\w+\s*(?:=|TO\b)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_LABEL = re.compile(r"[ \t]*(?:[\w* ]{0,30}:[* \t]*|sql(?:ite)?>[ \t]*)?", re.IGNORECASE)
_CONTINUES = re.compile(
    r"\s*(?:--|/\*|\)|,|(?:FROM|WHERE|JOIN|LEFT|RIGHT|FULL|INNER|OUTER|CROSS|NATURAL|ON|USING|AND|OR|GROUP|HAVING|ORDER"
    r"|LIMIT|OFFSET|UNION|INTERSECT|EXCEPT|WINDOW|VALUES|SET|RETURNING|SELECT|END|WHEN|ELSE|CASE|AS|INTO|DO|FOR)\b)",
    re.IGNORECASE,
)
_LEADING = re.compile(r"\s*")
_AFTER_SEMICOLON = re.compile(r"END\b|--|/\*", re.IGNORECASE)
_FENCE = re.compile(r"(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)\n?")
_SQL_WORDS = "sql sqlite sqlite3 postgresql postgres psql pgsql mysql mariadb plsql tsql duckdb oracle ansi query"
_SQL_NAMES = frozenset(["", *re.findall(r"\w+", _SQL_WORDS)])
_CANNOT = re.compile(
    r"[\s\"'`*#>/-]*(?:CANNOT\b|(?i:cannot)\b[\"'`*\s]*(?=[:.,-]|$))[\"'`*\s:.,-]*(?P<why>.*)", re.DOTALL
)
"""Taken at its first word: what the model goes on to write is not an answer."""
_ASKS = re.compile(r"[\s\"'`*#>-]*ASK\b[\"'`*\s]*:(?P<said>.*)", re.IGNORECASE | re.DOTALL)
_SAYS_ASK = re.compile(r"\s*SELECT\s+'ASK\s*:(?P<said>(?:[^']|'')*)'(?:\s+AS\s+\w+)?\s*;?\s*", re.IGNORECASE)
_BULLET = re.compile(r"(?:[-*•]|\(?[1-9a-dA-D][.)])\s+(?P<choice>.+)")
_SAYS_CANNOT = re.compile(r"\s*SELECT\s+'CANNOT\b\s*:?\s*(?P<why>(?:[^']|'')*)'(?:\s+AS\s+\w+)?\s*;?\s*", re.IGNORECASE)
_REFUSES = re.compile(
    r"\b(?:can(?:no|')t|can not|could not|unable to|not able to|impossible|not possible|do(?:es)? not (?:contain|have|"
    r"hold|include|store)|doesn'?t (?:contain|have|hold|include|store)|no (?:table|column|such|information|data)\b)",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"\b(?:correct(?:ed|ion)|fixed|revised|actually|mistake|oops|final|updated (?:query|version))\b", re.I
)
_RIVAL = re.compile(
    r"\b(?:alternativ\w*|or\b(?!\s+(?:more|less))|another (?:way|option|approach|version|query|possib\w+)|option \w|"
    r"instead|you could also|variant|second answer|answer 2)", re.IGNORECASE,
)  # fmt: skip
_STEP = re.compile(
    r"\b(?:then|next|after(?:wards?| that)|first|second(?:ly)?|third|finally|lastly|step|and|also|before|follow\w*|"
    r"now)\b|^\s*\d+[.)]", re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_READS = re.compile(r"\s*(?:\(|SELECT|WITH|VALUES|EXPLAIN|SHOW|PRAGMA)\b", re.IGNORECASE)
_WRITE_TARGET = re.compile(
    rf"\s*(INSERT|REPLACE|UPDATE|DELETE|DROP|ALTER|TRUNCATE)\s+(?:OR\s+\w+\s+)?(?:INTO\s+|FROM\s+|TABLE\s+)?({_NAME})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One stretch of SQL, and the prose that led to it."""

    sql: str
    before: str = ""


def parse(text: str) -> Draft:
    """The SQL, the refusal or the prose of an answer; never raises, whatever it is given."""
    text = answer_in(text).strip()
    if refusal := _CANNOT.match(text):
        return Draft(cannot=_short(refusal["why"] or "it did not say why"))
    if asking := _ASKS.match(text):
        return _question(asking["said"])
    found = _from_json(text)
    if found is None:
        found = _from_text(text)
    if said := _SAYS_CANNOT.fullmatch(found.sql):
        return Draft(cannot=_short(said["why"].replace("''", "'") or "it did not say why"))
    if said := _SAYS_ASK.fullmatch(found.sql):
        return _question(said["said"].replace("''", "'"))
    return found


def whole_characters(text: str) -> str:
    """The text with its characters in one piece, and a mark for a half: JSON can say such, and nothing can store it."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# ---- a question back --------------------------------------------------------------------------------------------

MOST_CHOICES = 4
LONGEST_CHOICE = 80


def _question(said: str) -> Draft:
    """`which date? | ordered | shipped`, or its choices as a list below; an empty draft where nothing is asked.

    Whatever else stands behind a question is dropped, SQL too: a draft that comes with doubts waits for the answer.
    """
    first, *below = said.strip().split("\n")
    asks, *choices = first.split("|")
    if not choices:
        choices = [bullet["choice"] for line in below if (bullet := _BULLET.fullmatch(line.strip()))]
    cleaned = dict.fromkeys(filter(None, (_short(_shown(choice), LONGEST_CHOICE) for choice in choices)))
    asks = "" if _BULLET.match(asks) else _short(_shown(asks))
    return Draft(asks=asks, choices=tuple(cleaned)[:MOST_CHOICES]) if asks else Draft()


def _shown(text: str) -> str:
    """Without characters that a screen does not show: a choice is answered by its number, and goes on record."""
    return "".join(char for char in text if not is_hidden(char) or char.isspace())


# ---- JSON -------------------------------------------------------------------------------------------------------


def _from_json(text: str) -> Draft | None:
    """What a JSON reply holds; None where the text is not one."""
    opened = re.match(r"(?:[\w :]{0,40}\n?)?```(?:json5?|JSON)\s*", text)
    body = text[opened.end() :] if opened else text
    if not body.lstrip().startswith(("{", "[")):
        return None
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(body.lstrip())
    except (ValueError, RecursionError):
        return None
    statements = list(_statements(value))
    if statements:
        return Draft(sql=_script(statements), note=_said(value, "explanation", "note", "reasoning", "comment"))
    if asks := _said(value, "ask", "asks"):
        offered = value.get("choices")
        choices = [choice for choice in offered if isinstance(choice, str)] if isinstance(offered, list) else []
        return _question("|".join(" ".join(words.split()).replace("|", "/") for words in (asks, *choices)))
    cannot = _said(value, "cannot", "error", "refusal", "reason", "message")
    return Draft(cannot=_short(cannot)) if cannot else None


def _statements(value: Any, depth: int = 0) -> Iterator[str]:
    """Every statement of a decoded reply, in order."""
    if isinstance(value, str):
        yield from [inner.strip()] if (inner := whole_characters(_unfenced(value))).strip() else []
    elif isinstance(value, list) and depth < 4:
        for item in value:
            if isinstance(item, dict) or (isinstance(item, str) and _OPENING.match(_unfenced(item).strip())):
                yield from _statements(item, depth + 1)
    elif isinstance(value, dict):
        names = {str(key).lower(): key for key in value}
        for name in ("sql", "query", "statement", "statements", "queries", "sql_query", "sqls"):
            if name in names and isinstance(value[names[name]], str | list):
                yield from _statements(value[names[name]], depth + 1)
                return


def _said(value: Any, *names: str) -> str:
    """The first of these fields that holds words."""
    if not isinstance(value, dict):
        return ""
    said = (whole_characters(value[name]).strip() for name in names if isinstance(value.get(name), str))
    return next(filter(None, said), "")


def _unfenced(text: str) -> str:
    pieces = [body for info, body, _ in _fences(text) if info in _SQL_NAMES]
    return pieces[0] if pieces else text


# ---- fences and free text ---------------------------------------------------------------------------------------


def _from_text(text: str) -> Draft:
    fenced = [_Piece(body.strip(), before) for info, body, before in _fences(text) if _is_sql(info, body)]
    for piece in fenced:
        if refusal := _CANNOT.match(piece.sql):
            return Draft(cannot=_short(refusal["why"] or "it did not say why"))
    pieces = fenced or list(_loose(text)) or _inline(text)
    if not pieces:
        return _wordy(text)
    sql, remark = _pick(pieces)
    prose = " ".join(_outside(text, pieces).split())
    return Draft(sql=sql, note=". ".join(part for part in (remark, _short(prose, 600)) if part))


def _fences(text: str) -> Iterator[tuple[str, str, str]]:
    """Each fenced block: its info word in lower case, its body, and the prose before it."""
    at = 0
    while opened := _FENCE.search(text, at):
        info, start = opened["info"].strip(), opened.end()
        if not opened[0].endswith("\n"):  # all on one line: ```sql SELECT 1```
            first = info.split(" ")[0].lower()
            start = opened.start("info") + (opened["info"].find(" ") if first in _SQL_NAMES and " " in info else 0)
            info = first if first in _SQL_NAMES else ""
        mark = opened["mark"]
        closed = re.compile(rf"^[ \t]*{re.escape(mark)}", re.MULTILINE).search(text, start)
        end = closed.start() if closed else (inner if (inner := text.find(mark, start)) >= 0 else len(text))
        yield info.split(" ")[0].lower().strip("{.}"), text[start:end], text[at : opened.start()]
        at = closed.end() if closed else end + len(mark)


def _is_sql(info: str, body: str) -> bool:
    body = body.strip()
    if info not in _SQL_NAMES or not body:
        return False
    return bool(info) or bool(_OPENING.search(body)) or bool(_CANNOT.match(body))


def _loose(text: str) -> Iterator[_Piece]:
    """SQL that stands in plain text: from a line that opens a statement to where the prose goes on."""
    at = 0
    while (start := _opening(text, at)) is not None:
        end = _end(text, start)
        yield _Piece(text[start:end].strip(), text[at:start])
        at = end


def _opening(text: str, at: int) -> int | None:
    """Where the next statement starts: at the start of a line, after a label such as `SQL:` or a comment."""
    for line in re.compile(r"^[^\n]*", re.MULTILINE).finditer(text, at):
        label = _LABEL.match(text, line.start(), line.end())
        for start in (line.start() + len(line[0]) - len(line[0].lstrip()), label.end() if label else line.start()):
            if _OPENING.match(text, start):
                return _with_comments(text, at, start)
    return None


def _with_comments(text: str, at: int, start: int) -> int:
    """The start, moved up over comment lines that stand right above the statement."""
    above = re.compile(r"(?:^[ \t]*--[^\n]*\n)+[ \t]*\Z", re.MULTILINE).search(text[at:start])
    return at + above.start() if above else start


def _end(text: str, start: int) -> int:
    """Where the SQL that starts here stops: at a semicolon or an empty line with something else behind it."""
    for at in _breaks(text, start):
        follows = _LEADING.match(text, at)
        rest = follows.end() if follows else at
        more = _AFTER_SEMICOLON if text[at - 1] == ";" else _CONTINUES
        if rest < len(text) and not _OPENING.match(text, rest) and not more.match(text, rest):
            return at
    return len(text)


_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|(?P<break>;|\n[ \t\r]*\n|\n(?=[ \t]*(?:```|~~~)))",
    re.DOTALL,
)


def _breaks(text: str, start: int) -> Iterator[int]:
    """Every place where a statement may end, outside of quotes and comments."""
    for token in _TOKEN.finditer(text, start):
        if token["break"]:
            yield token.end()


def _inline(text: str) -> list[_Piece]:
    """SQL between single backticks, for an answer that has it nowhere else."""
    quoted = re.findall(r"`([^`\n]{8,})`", text)
    return [_Piece(sql.strip()) for sql in quoted if _OPENING.match(sql.strip())][:1]


def _outside(text: str, pieces: Sequence[_Piece]) -> str:
    """The prose around the SQL."""
    for piece in pieces:
        text = text.replace(piece.sql, " ", 1)
    return _FENCE.sub(" ", text).strip(" `\n")


def _wordy(text: str) -> Draft:
    """An answer without SQL: a refusal if it says so, or else only words."""
    prose = _short(" ".join(text.split()), 600)
    if found := re.search(r"^[ \t\"'`*#>-]*CANNOT\s*:\s*(.*)", text, re.MULTILINE):
        return Draft(cannot=_short(found[1] or prose))
    if found := re.search(r"^[ \t\"'`*#>-]*ASK\s*:\s*(.*)", text, re.MULTILINE | re.DOTALL):
        return _question(found[1])
    return Draft(cannot=_short(prose)) if _REFUSES.search(prose) else Draft(note=prose)


# ---- one script, or rivals --------------------------------------------------------------------------------------


def _pick(pieces: Sequence[_Piece]) -> tuple[str, str]:
    """The SQL that counts, and what to say about the rest."""
    different = list({_bare(piece.sql): piece for piece in reversed(pieces)}.values())[::-1]
    if len(different) == 1:
        return different[0].sql, ""
    later = different[1:]
    if any(_CORRECTS.search(piece.before) for piece in later):
        return different[-1].sql, RIVALS.format(count=len(different), which="the last, which corrects the others")
    if any(_RIVAL.search(piece.before) for piece in later) or _are_rivals(different):
        return different[0].sql, RIVALS.format(count=len(different), which="the first")
    return _script([piece.sql for piece in different]), SCRIPT.format(count=len(different))


def _are_rivals(pieces: Sequence[_Piece]) -> bool:
    """Two answers to one question, with no word that makes them steps."""
    if all(_STEP.search(piece.before) for piece in pieces[1:]):
        return False
    if all(_READS.match(piece.sql) for piece in pieces):
        return True
    targets = [(found[1].upper(), found[2].lower()) for piece in pieces if (found := _WRITE_TARGET.match(piece.sql))]
    return len(set(targets)) < len(targets)


def _bare(sql: str) -> str:
    return " ".join(sql.split()).rstrip("; ").lower()


def _script(statements: Sequence[str]) -> str:
    """Statements one after the other, each as it was written."""
    *first, last = statements
    return "\n".join([*(_ended(sql) for sql in first), last])


def _ended(sql: str) -> str:
    if sql.endswith(";"):
        return sql
    # Behind a comment that runs to the end of its line, a semicolon would be part of the comment.
    return sql + ("\n;" if "--" in sql.rpartition("\n")[2] else ";")


def _short(text: str, length: int = 300) -> str:
    text = " ".join(text.split()).strip("`\"'* ")
    return text if len(text) <= length else text[: length - 3] + "..."
