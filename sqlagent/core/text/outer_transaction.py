"""BEGIN and COMMIT around a script: tools write them, and they are left out since a run is one transaction anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlagent.core.text.lexer import WORD
from sqlagent.core.text.raw_checks import Remarks, remarks
from sqlagent.core.text.split import Piece

_BEGINS = frozenset(
    {"BEGIN", "START TRANSACTION"}
    | {f"BEGIN{how}{what}" for how in ("", " DEFERRED", " IMMEDIATE", " EXCLUSIVE") for what in ("", " TRANSACTION")}
    | {"BEGIN WORK"}
)
_ENDS = frozenset({f"{end}{what}" for end in ("COMMIT", "END") for what in ("", " TRANSACTION", " WORK")})
_CONTROLS = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"})


def without_outer_transactions(pieces: Iterable[Piece], dialect: str) -> Iterator[Piece]:
    """The statements without each plain BEGIN ... COMMIT that stands around some of them.

    A pair goes only where nothing between the two begins, ends or marks a transaction, where something is between them,
    and where neither carries anything but its words: all else stays, to be denied as transaction control.  What is
    between a BEGIN and its COMMIT is held until the COMMIT is seen; the rest is passed on one by one.
    """
    held: list[Piece] = []
    for piece in pieces:
        if not held and not _is(piece, _BEGINS, dialect):
            yield piece
            continue
        held.append(piece)
        if len(held) > 1 and piece.word(0) in _CONTROLS:
            plain = len(held) > 2 and _is(piece, _ENDS, dialect)
            yield from held[1:-1] if plain else held
            held = []
    yield from held


def _is(piece: Piece, known: frozenset[str], dialect: str) -> bool:
    """Whether it is one of these words and nothing else, with nothing hidden in or around it."""
    if len(piece.tokens) > 3 or any(token.kind != WORD for token in piece.tokens):
        return False
    return " ".join(piece.words) in known and remarks(piece, dialect) == Remarks()
