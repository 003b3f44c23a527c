"""A million rows to CSV, against the sqlite3 shell on the same file; and to every kind of file, for their memory."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import apsw
import pytest
from measure import measure, say

ROWS = 1_000_000
QUERY = "SELECT * FROM t"
PYTHON = sys.executable

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "million.db"
    with apsw.Connection(str(path)) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, amount REAL, at TEXT, note TEXT)")
        db.execute(
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?)"
            " INSERT INTO t SELECT value, 'customer ' || value, value * 0.25, date(1e9 + value * 60, 'unixepoch'),"
            " iif(value % 5, 'a note, with a comma', NULL) FROM n",
            (ROWS,),
        )
    return path


def test_a_million_rows_to_csv(million: Path, tmp_path: Path) -> None:
    shell = shutil.which("sqlite3")
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    env = dict(os.environ) | {"SQLAGENT_READS": "allow"}
    command = [PYTHON, "-m", "sqlagent", "run", "--sql", QUERY, "--db", str(million), "--csv", "--limit", "-1"]
    figures = measure(command, env, runs=3, stdout=ours)
    say(f"sqlagent run, {ROWS:,} rows to CSV", figures)
    assert len(ours.read_bytes().splitlines()) == ROWS + 1
    few = measure([*command[:-1], "1000"], env, runs=3, stdout=tmp_path / "few.csv")
    say("sqlagent run, 1,000 rows to CSV", few)
    if shell:
        bare = measure([shell, "-csv", "-header", str(million), QUERY], env, runs=3, stdout=theirs)
        say("sqlite3 -csv", f"{bare}  ratio {figures.cpu / bare.cpu:.2f} cpu, {figures.wall / bare.wall:.2f} wall")


@pytest.mark.parametrize("extension", ["csv", "parquet", "xlsx"])
def test_a_million_rows_to_a_file(million: Path, tmp_path: Path, extension: str) -> None:
    """Ten times the rows, the same memory."""
    env = dict(os.environ) | {"SQLAGENT_READS": "allow"}
    for rows in (ROWS // 10, ROWS):
        file = tmp_path / f"{rows}.{extension}"
        sql = f"{QUERY} LIMIT {rows}"
        command = [PYTHON, "-m", "sqlagent", "run", "--sql", sql, "--db", str(million), "-o", str(file)]
        command += ["--timeout", "0", "--force"]  # the run that is not counted leaves the file
        say(f"sqlagent run, {rows:,} rows to {extension}", measure(command, env, runs=1, stdout=tmp_path / "nothing"))
        assert file.stat().st_size > rows
