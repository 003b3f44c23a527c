"""A client of PostgreSQL, killed at any time or cut off at any byte: after resume its change was applied once."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aftermath import Tally, answered, approves, read_answer
from postgres_proxy import Proxy
from postgres_server import Pg
from postgres_shop import PG_SCHEMA, SALE, PgShop, a_pg_shop
from shops import SCRATCH, in_child, waiting
from test_faults_kill import killed

from sqlagent.core.errors import Finished, OutcomeUnknown, SqlagentError
from sqlagent.core.nouns.session import Report, Status

_MANY = 150
_CLEAN = 3  # runs to see how long one takes and how many bytes go


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sqlagent-pg-", dir=SCRATCH))
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=[False, True], ids=["by its transaction", "by its mark"])
def scene(request: pytest.FixtureRequest, pg_of: Callable[[str], Pg], folder: Path) -> tuple[PgShop, Report, Path]:
    """A shop with a change that waits, and the copy that it is restored from."""
    shop = a_pg_shop(folder, pg_of(PG_SCHEMA), marker_table=request.param)
    asked = waiting(shop, SALE)
    shop.keep(folder / "kept")
    return shop, asked, folder / "kept"


@pytest.mark.parametrize("points", [3, pytest.param(_MANY, marks=pytest.mark.long)])
def test_a_client_that_is_killed_at_any_time_applied_it_once_after_resume(
    scene: tuple[PgShop, Report, Path], points: int
) -> None:
    shop, asked, kept = scene
    chance, tally = random.Random(points), Tally()

    def approve() -> None:
        approves(shop, asked)

    durations = []
    for _ in range(_CLEAN):
        shop.restore(kept)
        begun = time.monotonic()
        assert in_child(approve) == 0
        durations.append(time.monotonic() - begun)
    longest = statistics.median(durations)
    while tally.points < points:
        shop.restore(kept)
        after = chance.uniform(longest / 5, longest)
        if killed(approve, after):
            judge(shop, asked, f"killed after {after * 1000:.0f} of {longest * 1000:.0f} ms", tally)
    _told(tally)


@pytest.mark.parametrize("points", [3, pytest.param(_MANY, marks=pytest.mark.long)])
def test_a_client_that_is_cut_off_at_any_byte_applied_it_once_after_resume(
    scene: tuple[PgShop, Report, Path], points: int
) -> None:
    shop, asked, kept = scene
    chance, tally = random.Random(points), Tally()
    proxy = Proxy(shop.pg.server.port)
    through = PgShop(
        shop.folder, Pg(shop.pg.url.replace(f":{shop.pg.server.port}/", f":{proxy.port}/"), shop.pg.server)
    )

    def approve() -> None:
        if shop.config.exists():
            shop.config.write_text(shop.config.read_text().replace(shop.pg.url, through.pg.url))
        answered(shop.folder / "told", lambda: approves(through, asked))

    shop.restore(kept)
    assert in_child(approve) == 0
    assert read_answer(shop.folder / "told").status == Status.EXECUTED
    bytes_of_a_run = dict(proxy.passed)
    while tally.points < points:
        shop.restore(kept)
        way = chance.choice(["to server", "to client"])
        at = chance.randint(0, bytes_of_a_run[way])
        proxy.arm(**{way.replace(" ", "_"): at})
        assert in_child(approve) == 0
        proxy.arm()
        told = read_answer(shop.folder / "told")
        shutil.copy(kept / "config.toml", shop.config) if shop.config.exists() else None
        judge(shop, asked, f"cut off {at} of {bytes_of_a_run[way]} bytes {way}", tally, told.status, told.message)
    proxy.close()
    _told(tally)


def judge(shop: PgShop, asked: Report, point: str, tally: Tally, said: str = "", message: str = "") -> None:
    """Go on with the thread as the next person would, and note how it ended."""
    tally.points += 1
    try:
        end, bad = _judged(shop, asked, said, message)
    except (AssertionError, SqlagentError) as e:
        end, bad = "trouble", f"trouble: {e}"
    tally.ends[end] += 1
    if bad:
        tally.bad.append(f"{bad}  (at {point})")


def _judged(shop: PgShop, asked: Report, said: str, message: str) -> tuple[str, str]:
    def resume() -> None:
        with shop.agent(by="ben") as agent:
            try:
                agent.resume(asked.thread)
            except (Finished, OutcomeUnknown):
                return

    assert in_child(resume) == 0, "it could not be resumed"
    report, sold = shop.report(asked.thread), shop.sold
    if sold > 1:
        return report.status, f"double: {sold} sold"
    if said == Status.EXECUTED and not sold:
        return report.status, "lost: it was told that it was executed"
    if sold and (said == Status.FAILED or "nothing was changed" in message):
        return report.status, f"wrong word: told {message}, and it was applied"
    match report.status:
        case Status.EXECUTED:
            return "applied", "" if sold else "lost: the journal says that it was executed"
        case Status.UNKNOWN:
            return f"cannot tell ({sold} sold)", ""
        case Status.PENDING | Status.FAILED if sold:
            return report.status, f"split: the journal says {report.status}, and it was applied"
        case Status.PENDING:
            assert in_child(lambda: approves(shop, asked, "cem")) == 0, "it could not be gone on with"
            return "not applied, and then once", "" if shop.sold == 1 else f"double: {shop.sold} sold"
    return report.status, ""


def _told(tally: Tally) -> None:
    print(f"\n{tally}")
    assert not tally.bad, "\n".join(tally.bad)
    assert not any("cannot tell" in end for end in tally.ends), tally
