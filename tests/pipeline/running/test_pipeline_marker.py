"""`marker_table = true`: wherever a process dies, the mark in the database says whether its change was committed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from shops import SCRATCH, Shop, a_shop, approved, once_each, unkept, waiting
from struck_scenes import Scene, a_scene, approves, decided, gone_on, gone_on_here, hit, ran, seen_through

from sqlagent.cli.topics import topic
from sqlagent.core.nouns.session import Report, Status
from sqlagent.databases.base import Verdict
from sqlagent.store.journal import Marked, RunState
from sqlagent.ui.human import review

INSERT = "INSERT INTO sales (stock_id, was) VALUES (1, 10)"
"""Which does the same each time: what is measured of it never tells that it was run before."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-marker-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=[False, True], ids=["first run", "later run"])
def shop(folder: Path, request: pytest.FixtureRequest) -> Shop:
    """In WAL; before its first run, which makes the table, or after one."""
    made = a_shop(folder / "shop", wal=True, marker_table=True)
    if request.param:
        with made.agent() as agent:
            approved(agent, agent.run("UPDATE stock SET left = left WHERE id = 3"))
        made.rows("DELETE FROM sales")
        assert len(marks(made)) == 1
    return made


def marks(shop: Shop) -> list[str]:
    if not shop.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sqlagent_runs'"):
        return []
    return [str(run) for (run,) in shop.rows("SELECT id FROM sqlagent_runs WHERE at <> '' ORDER BY at, id")]


def is_marked(shop: Shop, asked: Report) -> bool:
    assert asked.proposal is not None
    return asked.proposal.id in marks(shop)


def forbids(shop: Shop) -> None:
    """The owner changes his mind."""
    shop.config.write_text(f"[databases.shop]\nurl = '{shop.db}'\n")


def edited_by_somebody(shop: Shop) -> None:
    """Every row that the change touches, or would make, is another one now: no row can tell."""
    shop.rows("UPDATE stock SET left = 77 WHERE id = 1; DELETE FROM sales; INSERT INTO sales VALUES (1, 3, 3)")


def test_an_approved_change_runs_exactly_once_wherever_the_process_dies(shop: Shop) -> None:
    asked = waiting(shop)
    scene = a_scene(shop, approves(asked))
    points = scene.points()
    assert points.index("kept#1") < points.index("marked#1") < points.index("committed#1")
    for point in points:
        scene.killed_at(point)
        assert is_marked(shop, asked) == (shop.sold == 1), point
        seen_through(shop, asked, point)
        assert is_marked(shop, asked), point


def test_what_cannot_be_kept_is_never_unknown(shop: Shop) -> None:
    """Without the mark this is UNKNOWN from before its COMMIT to its end."""
    asked = unkept(shop)
    assert asked.proposal is not None
    scene = a_scene(shop, approves(asked))
    for point in scene.points():
        scene.killed_at(point)
        if decided(shop, asked.proposal.id) is not None:
            gone_on(shop, asked.thread)
        ends = shop.report(asked.thread).status, hit(shop), is_marked(shop, asked)
        assert ends in {(Status.EXECUTED, 1, True), (Status.PENDING, 0, False)}, point
        once_each(shop, point)


def test_rows_that_somebody_edited_since_do_not_blur_it(shop: Shop) -> None:
    asked = waiting(shop)
    assert asked.proposal is not None
    scene = a_scene(shop, approves(asked))
    points = scene.points()
    begun, over = points.index("begun#1"), points.index("journal: after the commit of a run's end#1")
    committed = points.index("committed#1")
    blurred = 0
    for place, point in enumerate(points[begun:over], begun):
        scene.killed_at(point)
        edited_by_somebody(shop)
        with shop.agent() as agent:
            kept = agent.journal.kept(asked.proposal.id)
            blurred += kept is not None and agent.database.decided(kept) is Verdict.CANNOT_TELL
        gone_on(shop, asked.thread)
        report = shop.report(asked.thread)
        assert report.proposal is not None, point
        if place >= committed:
            assert (report.status, ran(shop, asked.proposal.id)) == (Status.EXECUTED, RunState.DONE), point
        else:  # it did not run, and is another change now
            assert (report.status, report.proposal.id) == (Status.PENDING, f"{asked.thread}.2"), point
        assert shop.rows("SELECT left FROM stock WHERE id = 1") == [(77,)], point
        once_each(shop, point)
    assert blurred >= 4


def test_the_same_without_the_option_is_unknown(shop: Shop) -> None:
    forbids(shop)
    asked = waiting(shop)
    a_scene(shop, approves(asked)).killed_at("committed")
    edited_by_somebody(shop)
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is Status.UNKNOWN


@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_an_undo_leaves_its_mark_too_and_the_marks_are_in_nobodys_way(folder: Path, wal: bool) -> None:
    shop = a_shop(folder / "shop", wal=wal, marker_table=True)
    with shop.agent() as agent:
        sold = approved(agent, agent.run("UPDATE stock SET left = left - 1 WHERE id = 1"))
        undo = agent.undo(sold.thread)
        assert undo.proposal is not None
        assert undo.proposal.analysis.statements[0].findings == ()
    scene = a_scene(shop, approves(undo))
    for point in ("kept", "marked", "committed"):
        scene.killed_at(point)
        gone_on(shop, undo.thread)
        assert (shop.report(undo.thread).status, shop.sold) == (Status.EXECUTED, 0), point
        assert sorted(marks(shop)) == sorted([f"{sold.thread}.1", f"{undo.thread}.1"]), point
        once_each(shop, point)


@pytest.mark.parametrize("sql", ["CREATE TABLE extra (a)", "DROP TABLE sales", "ALTER TABLE stock ADD COLUMN note"])
def test_a_change_of_the_schema_is_run_decided_and_undone_beside_the_table(shop: Shop, sql: str) -> None:
    asked = waiting(shop, sql)
    scene = a_scene(shop, approves(asked))
    for point in ("marked", "committed"):
        scene.killed_at(point)
        gone_on(shop, asked.thread)
        assert shop.report(asked.thread).status is Status.EXECUTED, point
        once_each(shop, point)
        with shop.agent() as agent:
            assert approved(agent, agent.undo(asked.thread)).status is Status.EXECUTED, point
        assert shop.rows("SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema ORDER BY 1)") == [
            ("sales,sold,sqlagent_runs,stock",)
        ], point


def test_a_table_that_another_run_made_meanwhile_makes_nothing_stale(folder: Path) -> None:
    shop = a_shop(folder / "shop", wal=True, marker_table=True)
    reshapes = waiting(shop, "ALTER TABLE stock ADD COLUMN note")
    changes = waiting(shop)
    with shop.agent() as agent:
        assert approved(agent, changes).status is Status.EXECUTED
        assert len(marks(shop)) == 1
        assert approved(agent, reshapes).status is Status.EXECUTED
    assert len(marks(shop)) == 2


def test_sql_that_writes_to_the_table_is_denied_by_its_rule(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    with shop.agent() as agent:
        report = agent.run("CREATE TABLE sqlagent_runs (id, at, digest)")
    assert report.status is Status.DENIED
    assert report.proposal is not None
    assert (report.proposal.policy, report.proposal.analysis.denied) == ("deny [marker-table]", ("marker-table",))


# ---- what changed since the process died ---------------------------------------------------------------------------


def claimed(shop: Shop, asked: Report) -> Marked:
    assert asked.proposal is not None
    with shop.agent() as agent:
        run = agent.journal.run(asked.proposal.id)
    assert run is not None
    return run.marked


@pytest.mark.parametrize("point", ["begun", "kept", "marked", "committed"])
def test_it_decides_where_the_owner_has_forbidden_it_since(shop: Shop, point: str) -> None:
    asked = waiting(shop, INSERT)
    a_scene(shop, approves(asked)).killed_at(point)
    assert claimed(shop, asked) is Marked.TARGET
    forbids(shop)
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is Status.EXECUTED
    assert shop.rows("SELECT count(*) FROM sales") == [(1,)]
    assert is_marked(shop, asked) == (point == "committed")
    assert claimed(shop, asked) is Marked.NOWHERE or point == "committed"
    once_each(shop)


@pytest.mark.parametrize(("point", "status"), [("begun", Status.EXECUTED), ("kept", Status.UNKNOWN)])
def test_a_run_from_before_it_was_allowed_left_no_mark_and_that_says_nothing(
    folder: Path, point: str, status: Status
) -> None:
    shop = a_shop(folder / "shop", wal=True)
    asked = waiting(shop, INSERT)
    a_scene(shop, approves(asked)).killed_at(point)
    a_shop_that_allows_it(shop)
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is status
    ran_now = status is Status.EXECUTED
    assert shop.rows("SELECT count(*) FROM sales") == [(int(ran_now),)]
    assert is_marked(shop, asked) == ran_now
    once_each(shop)


def a_shop_that_allows_it(shop: Shop) -> None:
    shop.config.write_text(f"[databases.shop]\nurl = '{shop.db}'\nmarker_table = true\n")
    with shop.agent() as agent:
        approved(agent, agent.run("UPDATE stock SET name = name WHERE id = 9"))  # the table is there


def test_a_change_that_could_not_be_kept_is_unknown_once_the_table_is_dropped(folder: Path) -> None:
    shop = a_shop(folder / "shop", wal=True)
    a_shop_that_allows_it(shop)
    asked = unkept(shop)
    a_scene(shop, approves(asked)).killed_at("committed")
    shop.rows("DROP TABLE sqlagent_runs")
    gone_on(shop, asked.thread)
    assert (shop.report(asked.thread).status, hit(shop)) == (Status.UNKNOWN, 1)


@pytest.mark.parametrize("gone", ["DROP TABLE sqlagent_runs", "DELETE FROM sqlagent_runs"])
@pytest.mark.parametrize("point", ["kept", "committed"])
def test_a_mark_that_somebody_removed_is_not_taken_for_one_that_was_never_made(
    shop: Shop, gone: str, point: str
) -> None:
    asked = waiting(shop, INSERT)
    a_scene(shop, approves(asked)).killed_at(point)
    assert claimed(shop, asked) is Marked.TARGET
    before = shop.rows("SELECT count(*) FROM sales")
    shop.rows(gone)
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is Status.UNKNOWN
    assert shop.rows("SELECT count(*) FROM sales") == before
    once_each(shop)


def test_a_mode_that_changes_between_two_deaths_does_not_run_it_twice(folder: Path) -> None:
    """Claimed to be marked in the journal, then in the table, then in the journal again."""
    shop = a_shop(folder / "shop", marker_table=True)
    asked = waiting(shop, INSERT)
    a_scene(shop, approves(asked)).killed_at("marked")
    for number, (mode, point) in enumerate([("wal", "marked"), ("delete", "marked"), ("wal", "committed")]):
        assert shop.rows(f"PRAGMA journal_mode = {mode}") == [(mode,)]
        dead = folder / f"dead-{number}"
        shop.keep(dead)
        Scene(shop, dead, lambda shop: gone_on_here(shop, asked.thread)).killed_at(point)
    shop.rows("PRAGMA journal_mode = delete")
    gone_on(shop, asked.thread)
    assert shop.report(asked.thread).status is Status.EXECUTED
    assert shop.rows("SELECT count(*) FROM sales") == [(1,)]
    once_each(shop)


@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
def test_a_journal_put_back_from_a_backup_does_not_run_it_again(folder: Path, wal: bool) -> None:
    shop = a_shop(folder / "shop", wal=wal, marker_table=True)
    asked = waiting(shop, INSERT)
    shutil.copytree(shop.state, folder / "backup")
    with shop.agent() as agent:
        assert approved(agent, asked).status is Status.EXECUTED
    shutil.rmtree(shop.state)
    shutil.copytree(folder / "backup", shop.state)
    with shop.agent() as agent:
        again = approved(agent, asked)
    assert again.status is Status.STALE
    assert f"{asked.thread}.1 was applied already" in again.message
    assert shop.rows("SELECT count(*) FROM sales") == [(1,)]
    once_each(shop)


# ---- what is said before it is approved ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wal", "marker_table", "sql", "said"),
    [
        (True, False, INSERT, True),
        (True, True, INSERT, False),
        (False, False, INSERT, False),
        (True, False, "SELECT * FROM stock", False),
    ],
)
def test_where_a_crash_would_need_a_person_it_is_said_before_approval_and_what_ends_that(
    folder: Path, wal: bool, marker_table: bool, sql: str, said: bool
) -> None:
    asked = waiting(a_shop(folder / "shop", wal=wal, marker_table=marker_table), sql)
    assert asked.proposal is not None
    screen = " ".join(str(review(asked.proposal)).split())
    assert ("nothing proves that a run was committed" in screen) == said
    assert ("marker_table = true for this database ends that" in screen) == said


def test_a_file_of_several_names_gets_a_word(folder: Path) -> None:
    shop = a_shop(folder / "shop")
    (shop.folder / "other.db").hardlink_to(shop.db)
    asked = waiting(shop)
    assert asked.proposal is not None
    (caution,) = asked.proposal.cautions
    assert "has 2 names (hard links)" in caution


def test_help_says_what_an_older_state_folder_forgets() -> None:
    text = topic("once")
    assert "a state folder restored from a backup" in text
    assert "marker_table" in text
