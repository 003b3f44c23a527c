"""Statements with the words that they have: fixtures/words, over the sample and the schemas of fixtures/questions."""

from __future__ import annotations

import shutil
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT
from questions import Judge

from sqlagent.core.analysis.measured import with_effects
from sqlagent.core.nouns.analysis import Analysis, Risk, Size, Statement
from sqlagent.databases.base import Database, MeasureBudget
from sqlagent.databases.open import open_database
from sqlagent.pipeline.proposing.in_words import told
from sqlagent.pipeline.proposing.looking import Looking
from sqlagent.pipeline.proposing.opinions import heard, judged

FOLDER = ROOT / "fixtures" / "words"


@dataclass(frozen=True, slots=True)
class Case:
    schema: str
    sql: str
    says: str
    assumes: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    """Queries written by hand for the figures in its words, and what each of them is."""


def cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.toml")):
        for each in tomllib.loads(path.read_text("utf-8"))["case"]:
            counts = tuple((sql, number) for sql, number in each.get("counts", ()))
            yield Case(path.stem, each["sql"], each["says"], tuple(each.get("assumes", ())), counts)


def database(schema: str, folder: Path) -> Database:
    """A copy that may be changed."""
    path = folder / f"{schema}.db"
    if schema == "sample":
        shutil.copy(ROOT / "sample.db", path)
    else:
        judge = Judge(folder)
        shutil.copy(judge.database(schema), path)
        judge.close()
    return open_database(str(path), name=schema)


def in_words(sql: str, there: Database) -> Statement:
    """The one statement as a proposal of it shows it."""
    analysis = judged(heard(sql, there), lambda _index, _syntax: Size())
    if analysis.risk is not Risk.READ:
        statements = [s.sql for s in analysis.statements]
        analysis = with_effects(analysis, there.measure(statements, budget=MeasureBudget(), heard=None))
    look = Looking(there, lambda _analysis: True, time.monotonic() + 60)
    return Analysis(tuple(told(analysis.statements, there.outline(), look))).statements[0]
