"""Text from a model, a database, a file or an error, made fit for a screen that people decide by."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

_KEPT = "\n\t"
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"
_SELECTORS = "\ufe00-\ufe0f\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_IGNORABLE = re.compile(f"[{_FILLERS}{_SELECTORS}]")
"""What Unicode calls printable, and a terminal draws as nothing or as a blank."""
_MOST_MARKS = 4
"""Vietnamese, Thai, Hebrew and Tibetan stack up to four on a letter; a flood stacks hundreds, over other lines."""
_NO_MARKS_TO_1FFF = "\x00-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u1fff"
_NO_MARKS_FROM_2000 = "\u2000-\u20cf\u2100-\u2cee\u2e00-\u3029\u3030-\u3098\u309b-\ua66e\uac00-\ufb1d\uff00-\uffff"
_PERHAPS_MARKED = re.compile(f"[^{_NO_MARKS_TO_1FFF}{_NO_MARKS_FROM_2000}]")
"""Latin, Greek, Cyrillic, Chinese, Japanese and Korean text is told from the rest at the speed of a regex."""
_NEWLINE, _TAB = "\u21b5", "\u21e5"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|nan|true|false"
_LOOKS_LIKE_OURS = re.compile(rf"'*(NULL|x'[0-9a-f]*'|{_NUMBER})'*", re.ASCII)
"""Text that would read as a NULL, a BLOB or a number, and is quoted so that it cannot."""


def visible(text: str) -> str:
    """`text` with every character that moves the cursor, reorders the line or draws nothing spelled out.

    Newlines and tabs stay.  Without this, `DELETE ... \\x1b[1A\\x1b[2KSELECT 1` repaints the line above it.
    """
    if text.isascii():
        return text if text.isprintable() else _ASCII_HIDDEN.sub(_spell, text)
    return text if _is_harmless(text) else _spell_out(text, _code)


def printed(text: str) -> str:
    """`visible` lines of which none is a command to the CI service that keeps the log: `::add-mask::`, `##[error]`."""
    return harmless_lines(visible(text))


def harmless_lines(text: str) -> str:
    """The same for lines that are visible already."""
    return (
        _COMMAND.sub(lambda found: found["blanks"] + _code(found["first"]), text)
        if "::" in text or "##" in text
        else text
    )


def escaped(document: str) -> str:
    """The same for JSON text, as `\\u001b`: whoever parses it reads exactly what it was."""
    return document if _is_harmless(document) else _spell_out(document, _json_code)


def one_line(text: str) -> str:
    """`visible`, with newlines and tabs drawn as `↵` and `⇥`."""
    shown = visible(text)
    if "\n" in shown or "\t" in shown:
        shown = shown.replace("\n", _NEWLINE).replace("\t", _TAB)
    return shown


def cell(value: Any, *, limit: int | None = None) -> str:
    """One value of a result on one line; past `limit` characters it is cut, and its length is said.

    NULL is `NULL`, and the text NULL is `'NULL'`; a number is `5`, and the text `'5'`; a BLOB is `x'53514c'`.
    """
    if value is None:
        return "NULL"
    if isinstance(value, (bytes, bytearray, memoryview)):
        kept = bytes(value[: limit // 2] if limit is not None else value)
        return f"x'{kept.hex()}'" if len(kept) == len(value) else f"x'{kept.hex()}... ({len(value):,} bytes)"
    text = value if isinstance(value, str) else plain(value)
    if limit is not None and len(text) > limit:
        return f"{one_line(text[:limit])}... ({len(text):,} characters)"
    if isinstance(value, str) and _LOOKS_LIKE_OURS.fullmatch(text):
        return "'" + text.replace("'", "''") + "'"
    return one_line(text)


def plain(value: Any) -> str:
    """A value that is neither text nor NULL nor BLOB, exactly, as SQL would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)  # what a PostgreSQL array or document comes as
    return repr(value) if isinstance(value, float) else str(value)


def width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # 25 ms that a screen of plain ASCII need not pay

    return cell_len(text)


_COMMAND = re.compile(r"^(?P<blanks>\s*)(?P<first>:(?=:[A-Za-z])|#(?=#[\[A-Za-z]))", re.MULTILINE)
"""How GitHub, Azure and TeamCity know a command: at the beginning of a line, behind any blanks."""
_ASCII_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _spell(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"


def _is_harmless(text: str) -> bool:
    return text.isprintable() and not _IGNORABLE.search(text) and not _PERHAPS_MARKED.search(text)


def _spell_out(text: str, code: Callable[[str], str]) -> str:
    shown: list[str] = []
    marks = 0
    """Combining marks since the last letter."""
    held = False
    """Whether there is a character of its own width for a mark to sit on."""
    before = ""
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
            marks += 1
            drawn = held and marks <= _MOST_MARKS and not _hides(character)
            selects_emoji = character == "\ufe0f" and unicodedata.category(before or " ") == "So"
            shown.append(character if drawn or selects_emoji else code(character))
        else:
            hidden = character not in _KEPT and _hides(character)
            shown.append(code(character) if hidden else character)
            marks, held = 0, not hidden and not character.isspace()
        before = character
    return "".join(shown)


def _hides(character: str) -> bool:
    return not character.isprintable() or _IGNORABLE.match(character) is not None


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _json_code(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
