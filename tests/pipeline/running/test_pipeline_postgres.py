"""The whole way on a PostgreSQL database: asked, approved, run through any crash, found out about, and taken back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import Pg
from postgres_shop import PG_SCHEMA, SALE, PgShop, a_pg_shop
from shops import SCRATCH, approved, waiting
from struck_scenes import a_scene, approves, seen_through

from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.session import Status
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.ui.effects import measured_lines

_ABOUT_COMMIT = ("begun", "ran 1", "kept", "marked", "committed", "execute: settled")
_SAMPLE = 18  # of the other points every so many are struck in the short run


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-pg-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


def struck_at(shop: PgShop, wanted: Callable[[int, str], bool]) -> int:
    """How many points a process was killed at; after each the next one finds out, and it was sold once."""
    asked = waiting(shop, SALE)
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    assert asked.proposal.measurement.undo is Undoable.EXACT
    scene = a_scene(shop, approves(asked))
    points = [point for place, point in enumerate(scene.points()) if wanted(place, point)]
    for point in points:
        scene.killed_at(point)
        seen_through(shop, asked, point)
    return len(points)


@pytest.mark.parametrize("marker_table", [False, True])
def test_an_approved_change_runs_exactly_once_wherever_the_process_dies(
    pg_of: Callable[[str], Pg], folder: Path, marker_table: bool
) -> None:
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA), marker_table=marker_table)

    def about_commit(place: int, point: str) -> bool:
        return point.partition("#")[0] in _ABOUT_COMMIT or not place % _SAMPLE

    assert struck_at(shop, about_commit) > 6


@pytest.mark.long
@pytest.mark.parametrize("marker_table", [False, True])
def test_killed_at_every_point_it_runs_exactly_once(
    pg_of: Callable[[str], Pg], folder: Path, marker_table: bool
) -> None:
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA), marker_table=marker_table)

    assert struck_at(shop, lambda _place, _point: True) > 30


def test_a_run_is_taken_back_as_it_was_promised(pg_of: Callable[[str], Pg], folder: Path) -> None:
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA))
    before = shop.rows("SELECT * FROM stock ORDER BY id")
    asked = waiting(shop, SALE)
    with shop.agent() as agent:
        done = approved(agent, asked)
    assert (done.status, done.undoable, shop.sold) == (Status.EXECUTED, True, 1)
    with shop.agent() as agent:
        asked_back = agent.undo(asked.thread)
        assert asked_back.proposal is not None
        back = approved(agent, asked_back)

    assert back.status is Status.EXECUTED
    assert (shop.rows("SELECT * FROM stock ORDER BY id"), shop.sold) == (before, 0)


def test_what_was_approved_is_asked_again_where_it_would_do_something_else(
    pg_of: Callable[[str], Pg], folder: Path
) -> None:
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA))
    asked = waiting(shop, SALE)
    shop.pg.run("UPDATE stock SET name = 'other', \"left\" = 4 WHERE id = 1")
    with shop.agent() as agent:
        report = approved(agent, asked)

    assert report.status is Status.STALE
    assert "would change 2 rows as approved, but other rows or to other values" in report.message
    assert shop.rows('SELECT "left" FROM stock WHERE id = 1') == [(4,)]


def test_rows_that_may_not_be_read_are_counted_on_the_screen_with_the_reason(
    pg_of: Callable[[str], Pg], folder: Path
) -> None:
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA))
    role = f"app_{shop.pg.name}"
    shop.pg.run(f"ALTER FUNCTION sold() SECURITY DEFINER; CREATE ROLE {role} LOGIN; GRANT ALL ON stock TO {role}")
    with shop.agent(database=shop.pg.as_role(role)) as agent:
        asked = agent.run(SALE, title="sell an apple")
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    operations = asked.proposal.analysis.statements[0].operations
    screen = "\n".join(str(line) for line in measured_lines(asked.proposal.measurement, 200))

    assert [(o.target, o.size.rows, o.size.basis) for o in operations if o.verb is Verb.INSERT] == [
        ("sales", 1, Basis.COUNTED)
    ]
    assert "! sales was counted, and is not shown: this role may not read every row of public.sales" in screen
    assert "undo: NO, sales: this role may not read every row of public.sales" in screen


def test_a_dropped_column_comes_back_with_what_it_held(pg_of: Callable[[str], Pg], folder: Path) -> None:
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA))
    before = shop.rows('SELECT id, name, "left" FROM stock ORDER BY id')
    asked = waiting(shop, "ALTER TABLE stock DROP COLUMN name")
    assert asked.proposal is not None
    assert asked.proposal.measurement is not None
    screen = "\n".join(str(line) for line in measured_lines(asked.proposal.measurement, 200))
    with shop.agent() as agent:
        done = approved(agent, asked)
        back = approved(agent, agent.undo(asked.thread))

    assert "undo: partial, a column comes back with its values, as the last one of public.stock" in screen
    assert (done.status, back.status) == (Status.EXECUTED, Status.EXECUTED)
    assert shop.rows('SELECT id, name, "left" FROM stock ORDER BY id') == before
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'stock' ORDER BY ordinal_position"
    assert shop.rows(columns) == [("id",), ("left",), ("name",)]
