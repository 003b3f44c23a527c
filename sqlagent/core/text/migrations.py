"""Migration scripts as tools write them: in which order a folder's files apply, and which part of a file takes back.

Flyway (`V2__name.sql`, `R__`, `U2__`), golang-migrate (`0002_name.up.sql`, `.down.sql`), dbmate (`-- migrate:down`),
goose and sql-migrate (`-- +goose Down`, `-- +migrate Down`); Django, Alembic and Rails write plain scripts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_DOWN_FILE = re.compile(r"(?:.*\.down\.sql|U[\d._]+__.*\.sql)", re.IGNORECASE | re.DOTALL)
_REPEATED = re.compile(r"R__.*\.sql", re.IGNORECASE | re.DOTALL)
_VERSION = re.compile(r"(\d+(?:[._]\d+)*|)(.*)", re.DOTALL)
_SECTION = re.compile(r"(?im)^[ \t]*--[ \t]*(?:migrate:|\+goose[ \t]+|\+migrate[ \t]+)(up|down)\b.*$")


class Direction(StrEnum):
    """Whether a part of a migration applies it or takes it back."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file that goes one way."""

    direction: Direction
    start: int
    end: int
    """Places in the file's text."""


def order(name: str) -> tuple[object, ...]:
    """What to sort file names by: versions as numbers, Flyway's repeated scripts last, a `.down` after its `.up`."""
    folder, _, base = name.replace("\\", "/").rpartition("/")
    version, rest = _VERSION.fullmatch(_plain(base)).groups()  # type: ignore[union-attr]  # it matches any text
    numbers = tuple(map(int, re.findall(r"\d+", version)))
    return folder, bool(_REPEATED.fullmatch(base)), numbers, rest, goes(base) is Direction.DOWN


def _plain(base: str) -> str:
    """Without what says the direction, so that both directions of a version sort together."""
    return re.sub(r"\.(up|down)\.sql$", "", re.sub(r"^[VUB](?=\d)", "", base), flags=re.IGNORECASE).lower()


def goes(name: str) -> Direction:
    """The direction of a file as its name tells; UP where it tells nothing."""
    return Direction.DOWN if _DOWN_FILE.fullmatch(name.replace("\\", "/").rpartition("/")[2]) else Direction.UP


def parts(text: str, name: str) -> tuple[Part, ...]:
    """The file cut where its comments turn from up to down or back; one part where they say nothing."""
    marks = list(_SECTION.finditer(text))
    if not marks:
        return (Part(goes(name), 0, len(text)),)
    cuts = [(goes(name), 0)] if text[: marks[0].start()].strip() else []
    cuts += [(Direction(mark[1].lower()), mark.start()) for mark in marks]
    ends = [start for _, start in cuts[1:]] + [len(text)]
    return tuple(Part(way, start, end) for (way, start), end in zip(cuts, ends, strict=True))
