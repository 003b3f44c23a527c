"""What a setting's value may be: each kind reads text (a flag, a variable) and takes TOML values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off", ""})
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?) ?([kmgt]?b)?", re.ASCII | re.IGNORECASE)
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_LONGEST = 10 * 365 * 86400.0


class Wrong(ValueError):
    """A value that a setting cannot have; the caller knows which setting, and where it stands."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of values."""

    name: str
    """For people: `a duration`, `yes or no`."""
    read: Callable[[str], object]
    """From a flag's or a variable's text."""
    take: Callable[[object], object]
    """From a TOML value, whose type must be right."""
    show: Callable[[object], object] = lambda value: value
    """For `config show`: a string, a number or a boolean."""


def nearest(word: str, words: list[str]) -> str:
    """The word that was probably meant, or an empty string."""
    from difflib import get_close_matches  # only needed once something is wrong

    found = get_close_matches(word.lower().replace("-", "_"), words, n=1, cutoff=0.55)
    return found[0] if found else ""


def _read_text(text: str) -> str:
    if not text.strip():
        raise Wrong("is empty", "give it a value, or leave it out")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise Wrong("holds a control character", "type it again on one line")
    return text


def _take_text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {_toml_type(value)}", 'put it in quotes: "..."')
    return _read_text(value)


def _read_yes_no(text: str) -> bool:
    word = text.strip().lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise Wrong(f"is neither yes nor no: {text}", "1, true, yes or 0, false, no")


def _take_yes_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {_toml_type(value)}", "write true or false, without quotes")
    return value


def _read_limit(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text.strip(), re.ASCII):
        raise Wrong(f"is not a number of rows: {text}", "a number from 1, or -1 for all")
    return _take_limit(int(text.strip()))


def _take_limit(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong(f"must be a whole number, not {_toml_type(value)}", "a number from 1, or -1 for all")
    if value != -1 and not 1 <= value < 2**63:
        raise Wrong(f"is out of range: {value}", "a number from 1, or -1 for all")
    return value


def _read_examples(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text.strip(), re.ASCII):
        raise Wrong(f"is not a number of examples: {text}", "a number from 0 (none) to 10")
    return _take_examples(int(text))


def _take_examples(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10:
        raise Wrong(f"must be a number from 0 to 10, not {value!r}", "0 shows the model none")
    return value


def _read_samples(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text.strip(), re.ASCII):
        raise Wrong(f"is not a number of drafts: {text}", "a number from 1 to 9")
    return _take_samples(int(text))


def _take_samples(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 9:
        raise Wrong(f"must be a number from 1 to 9, not {value!r}", "1: the first draft counts, and none is compared")
    return value


def _read_rows(text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text.strip(), re.ASCII):
        raise Wrong(f"is not a number of rows: {text}", "a number from 1, such as 500000")
    return _take_rows(int(text))


def _take_rows(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 10**15:
        raise Wrong(f"must be a number of rows, not {value!r}", "a number from 1, such as 500000")
    return value


def _read_size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise Wrong(f"is not a size: {text}", 'such as "500 MB", "20 GB", or a number of bytes')
    return _take_size(int(float(found[1]) * _BYTES[(found[2] or "").upper()]))


def _take_size(value: object) -> int:
    if isinstance(value, str):
        return _read_size(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**18:
        raise Wrong(f"must be a size, not {value!r}", 'such as "500 MB", "20 GB", or a number of bytes')
    return value


def show_size(value: object) -> str:
    """`2 GB`; the bytes where they are no round number of anything."""
    size = value if isinstance(value, int) else 0
    for unit in ("TB", "GB", "MB", "KB"):
        if size >= _BYTES[unit] and size % (_BYTES[unit] // 10) == 0:
            return f"{size / _BYTES[unit]:g} {unit}"
    return str(size)


def _read_chat_rows(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text.strip(), re.ASCII):
        raise Wrong(f"is not a number of rows: {text}", "a number from 0 to 1000")
    return _take_chat_rows(int(text))


def _take_chat_rows(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000:
        raise Wrong(f"must be a number from 0 to 1000, not {value!r}", "0: how many rows there are, and none of them")
    return value


def read_duration(text: str) -> float:
    """Seconds; 0 stands for no limit."""
    word = text.strip().lower()
    if word in {"0", "none"}:
        return 0.0
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", word, re.ASCII):
        return _take_duration(float(word))
    if not _DURATION.fullmatch(word):
        raise Wrong(f"is not a duration: {text}", "such as 30s, 5m, 1h30m, 7d; 0 for no limit")
    return _take_duration(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(word)))


def _take_duration(value: object) -> float:
    if isinstance(value, str):
        return read_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"must be a duration, not {_toml_type(value)}", 'such as "30s", "5m", "1h30m"')
    if not 0 <= value <= _LONGEST:
        raise Wrong(f"is out of range: {value}", "from 0 (no limit) to 10 years")
    return float(value)


def show_duration(value: object) -> str:
    """`1m30s` for 90 seconds, `none` for no limit."""
    left = float(value) if isinstance(value, int | float) else 0.0
    if left == 0:
        return "none"
    shown = ""
    for unit in ("d", "h", "m"):
        whole = int(left // _UNITS[unit])
        left -= whole * _UNITS[unit]
        shown += f"{whole}{unit}" if whole else ""
    return shown + (f"{left:g}s" if left else "")


def _read_base_url(text: str) -> str:
    url = _read_text(text).strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise Wrong("is not an http URL", "such as http://127.0.0.1:11434/v1")
    if parts.password is not None:
        raise Wrong("carries a password", "keep the key in a file of mode 0600: api_key_file, SQLAGENT_API_KEY_FILE")
    return url.rstrip("/")


def _read_store(text: str) -> str:
    url = _read_text(text).strip()
    if not url.startswith(("postgresql://", "postgres://")):
        raise Wrong("is no PostgreSQL URL", "such as postgresql://db.example.com/sqlagent")
    try:
        parts = urlsplit(url)
        given = parts.password is not None or "password=" in parts.query
    except ValueError:
        raise Wrong("is no PostgreSQL URL", "such as postgresql://db.example.com/sqlagent") from None
    if given:
        raise Wrong("carries a password", "keep it where libpq looks: ~/.pgpass, PGPASSFILE or PGPASSWORD")
    return url


def _read_command(text: str) -> tuple[object, ...]:
    import shlex  # only a program that is written as one line needs it

    try:
        return _take_command(shlex.split(text))
    except ValueError as e:
        if isinstance(e, Wrong):
            raise
        raise Wrong(f"is not a command: {text}", "as a shell would read it, quotes closed") from e


def _take_command(value: object) -> tuple[object, ...]:
    words = _as_tuple(tuple(value) if isinstance(value, list) else value)
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in words):
        raise Wrong("must be a list of texts", 'the program, then its arguments: ["notify-me", "--quiet"]')
    program = str(words[0]) if words else "none"
    if not program.strip():
        raise Wrong("names no program", 'the program, then its arguments: ["notify-me", "--quiet"]')
    if "/" in program and not program.startswith(("/", "~/")):  # or whoever made the current folder would be heard
        raise Wrong(f"must not depend on the folder that it is run in: {program}", "its whole path, or a name alone")
    if any("\0" in str(word) for word in words):
        raise Wrong("holds a NUL character", "no program can be given one")
    return words


def _show_command(value: object) -> str:
    import shlex

    return shlex.join(map(str, _as_tuple(value))) or "none"


def one_of(*words: str) -> Kind:
    """A word of a short list."""

    def read(text: str) -> str:
        word = text.strip().lower()
        if word in words:
            return word
        guess = nearest(word, list(words))
        raise Wrong(f"cannot be {text}", (f"did you mean {guess}? " if guess else "") + f"one of: {', '.join(words)}")

    def take(value: object) -> str:
        if not isinstance(value, str):
            raise Wrong(f"must be text, not {_toml_type(value)}", f"one of: {', '.join(words)}")
        return read(value)

    return Kind(" | ".join(words), read, take)


def some_of(*words: str) -> Kind:
    """Any number of the words of a short list, separated by commas."""
    one = one_of(*words)

    def read(text: str) -> tuple[object, ...]:
        return tuple(dict.fromkeys(one.read(word) for word in text.split(",") if word.strip()))

    def take(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise Wrong(f"must be a list, not {_toml_type(value)}", f"a list of: {', '.join(words)}")
        return tuple(dict.fromkeys(one.take(word) for word in value))

    return Kind(f"a list of {' | '.join(words)}", read, take, lambda value: ", ".join(map(str, _as_tuple(value))))


def _as_tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _toml_type(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return names.get(type(value), "a date")


def _read_names(text: str) -> tuple[object, ...]:
    return tuple(dict.fromkeys(_read_text(part.strip()) for part in text.split(",") if part.strip()))


def _take_names(value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {_toml_type(value)}", 'such as ["orders", "customers"]')
    return tuple(dict.fromkeys(_take_text(name) for name in value))


def _read_paths(text: str) -> tuple[object, ...]:
    return tuple(dict.fromkeys(_read_text(part.strip()) for part in text.split(",")))


def _take_paths(value: object) -> tuple[object, ...]:
    parts = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(_take_text(part) for part in parts))


NAMES = Kind("names", _read_names, _take_names, lambda value: ", ".join(map(str, _as_tuple(value))) or "none")
TEXT = Kind("text", _read_text, _take_text)
PATHS = Kind("paths", _read_paths, _take_paths, lambda value: ", ".join(map(str, _as_tuple(value))) or "none")
PATH = Kind("a path", _read_text, _take_text, show=str)
YES_NO = Kind("true | false", _read_yes_no, _take_yes_no)
LIMIT = Kind("a number, or -1", _read_limit, _take_limit)
SAMPLES = Kind("1 to 9", _read_samples, _take_samples)
EXAMPLES = Kind("0 to 10", _read_examples, _take_examples)
CHAT_ROWS = Kind("0 to 1000", _read_chat_rows, _take_chat_rows)
DURATION = Kind("a duration", read_duration, _take_duration, show_duration)
COMMAND = Kind("a list of texts", _read_command, _take_command, _show_command)
STORE = Kind("a PostgreSQL URL", _read_store, lambda value: _read_store(_take_text(value)))
ROWS = Kind("a number of rows", _read_rows, _take_rows)
SIZE = Kind("a size", _read_size, _take_size, show_size)
BASE_URL = Kind("an http URL", _read_base_url, lambda value: _read_base_url(_take_text(value)))
