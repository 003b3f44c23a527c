"""A cache of the schema and its fingerprint, valid until the catalogs change: thousands of tables take a second."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlagent.core.nouns.draft import Schema, Table
from sqlagent.databases.postgres.connection.catalog_version import catalog_version
from sqlagent.databases.postgres.connection.open import reading
from sqlagent.databases.postgres.connection.rows import Session
from sqlagent.databases.postgres.effect.schema_changes import objects
from sqlagent.databases.postgres.effect.two_sessions import steady
from sqlagent.databases.postgres.opinion.kept_outline import KeptOutline
from sqlagent.databases.postgres.opinion.schema import outline, with_examples

_SECONDS = 30.0
_MARKS = "sqlagent_runs"
_T = TypeVar("_T")


class Remembered:
    """The schema and its fingerprint as read on one session, until the catalogs change."""

    def __init__(self, session: Session, *, path: Sequence[str], version: str, kept: KeptOutline) -> None:
        self._session = session
        self._path = path
        self._server = version
        self._kept = kept
        self._catalogs = ""
        self._known: dict[object, object] = {}

    def fingerprint(self) -> str:
        """SHA-256 of all that gives SQL its meaning, whoever owns it and whatever people wrote about it."""
        return self._once("fingerprint", self._fingerprint)

    def schema(self, examples: int, tables: Collection[str] | None) -> Schema:
        """What the model is told of every table, or of these, with up to `examples` values a column."""
        whole = self._once("outline", self._outline)
        wanted = [table for table in whole.tables if tables is None or table.name in tables]
        if not examples:
            return whole if tables is None else replace(whole, tables=tuple(wanted))
        seen: dict[str, Table] = self._once(("examples", examples), dict)
        if missing := [table for table in wanted if table.name not in seen]:
            found = with_examples(self._session, missing, path=self._path, examples=examples)
            seen |= {table.name: table for table in found}
        return replace(whole, tables=tuple(seen[table.name] for table in wanted))

    def _outline(self) -> Schema:
        if (kept := self._kept.read(self._catalogs)) is not None:
            return kept
        found = outline(self._session, path=self._path, version=self._server)
        self._kept.write(self._catalogs, found)
        return found

    def _once(self, what: object, make: Callable[[], _T]) -> _T:
        with reading(self._session, seconds=_SECONDS):
            now = catalog_version(self._session)
        if now != self._catalogs:
            self._catalogs, self._known = now, {}
        if what not in self._known:
            self._known[what] = make()
        return self._known[what]  # type: ignore[return-value]  # each `what` has a maker of its own

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        with reading(self._session, seconds=_SECONDS), steady(self._session):
            for each in objects(self._session).values():
                if _MARKS in each.name:  # where runs leave their marks is made by the first of them
                    continue
                for value in (each.kind, each.name, each.part, each.text):
                    encoded = value.encode("utf-8", "surrogateescape")
                    digest.update(f"{len(encoded)}:".encode() + encoded)
        return digest.hexdigest()
