"""Runs that are struck at some point, and what is found out about each afterwards, held against what is true."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from postgres_proxy import Proxy
from postgres_writes import Target

from sqlagent.core.errors import SqlagentError
from sqlagent.core.nouns.effect import Measurement
from sqlagent.databases.base import Mark, Verdict
from sqlagent.databases.postgres.run import marker_table
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

SCHEMA = """
CREATE TABLE stock (id int PRIMARY KEY, v int NOT NULL);
CREATE TABLE told (v int NOT NULL, id int NOT NULL);
CREATE TABLE busy (id int PRIMARY KEY, n int NOT NULL);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO told VALUES (NEW.v, NEW.id); RETURN NULL; END $$;
CREATE TRIGGER told AFTER UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO stock SELECT g, 0 FROM generate_series(1, 5) g;
INSERT INTO busy VALUES (1, 0);
"""
"""`told` is the truth: a line by the run's own trigger for each row that a run changed."""
POINTS = ("begun", "ran 1", "kept", "committed")
WAYS = ("terminate", "kill -9", "immediate stop", "cut to server", "cut to client")


@dataclass
class Struck:
    """One server, and runs on it that are struck one after the other."""

    server: ThrowawayServer
    database: str
    chance: random.Random
    marker: bool = False
    number: int = 0
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.loopback_url(self.database)

    def strike(self, way: str, point: str) -> None:
        """One run with a number of its own, struck at a point, told apart, and run again where it was not applied."""
        self.number += 1
        target, sql = Target(self.url), [f"UPDATE stock SET v = {self.number}"]
        expected = target.measure(sql)
        assert expected.is_exact, expected.how
        mark = Mark(f"r{self.number}", "then", "digest") if self.marker else None
        self._run_struck(target, sql, expected, mark, way, point)
        self._revive()
        verdict, truth = self._verdict(target, mark), self._truth()
        self.found[f"{way}: {verdict.value}"] += 1
        if verdict is Verdict.CANNOT_TELL:
            return
        if truth != (5 if verdict is Verdict.APPLIED else 0):
            self.wrong.append(f"{self.number} {way} at {point}: told {verdict.value}, {truth} of 5 rows")
        if verdict is Verdict.NOT_APPLIED:
            again = Target(self.url)
            again.apply(sql, again.measure(sql), mark=mark)
            if self._truth() != 5:
                self.wrong.append(f"{self.number} {way} at {point}: {self._truth()} of 5 rows after the second run")

    def _run_struck(
        self, target: Target, sql: list[str], expected: Measurement, mark: Mark | None, way: str, point: str
    ) -> None:
        proxy = Proxy(self.server.port)
        struck = Target(target.url.replace(f":{self.server.port}/", f":{proxy.port}/"))

        def reached(name: str) -> None:
            if name == point:
                self._hit(way, proxy)

        try:
            struck.apply(sql, expected, reached=reached, mark=mark)
        except (SqlagentError, psycopg.Error):
            pass  # it was struck: whether it was applied is what is asked next
        finally:
            target.kept = struck.kept
            proxy.close()

    def _hit(self, way: str, proxy: Proxy) -> None:
        match way:
            case "cut to server":
                proxy.arm(to_server=self.chance.randint(0, 400))
            case "cut to client":
                proxy.arm(to_client=self.chance.randint(0, 400))
            case "immediate stop":
                self.server.stop("immediate")
            case "terminate":
                self._admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid IS NOT NULL")
            case "kill -9":
                with psycopg.connect(self.url, autocommit=True) as db:
                    for (pid,) in db.execute(
                        "SELECT pid FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
                    ).fetchall():
                        os.kill(pid, signal.SIGKILL)

    def _admin(self, sql: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(sql.encode())

    def _revive(self) -> None:
        """Until it answers for good: a server whose backend was killed takes a moment to notice."""
        if not (self.server.data / "postmaster.pid").exists():
            self.server.start()
        for _ in range(2000):
            try:
                self._others_write()
            except psycopg.OperationalError:
                continue
            return

    def _others_write(self) -> None:
        """So that a number of a transaction that was lost is given out again."""
        with psycopg.connect(self.url, autocommit=True) as db:
            for _ in range(3):
                db.execute("UPDATE busy SET n = n + 1")

    def _verdict(self, target: Target, mark: Mark | None) -> Verdict:
        if mark is not None:
            with target.connect() as session:
                return marker_table.marked(session, mark)
        return target.told()

    def _truth(self) -> int:
        with psycopg.connect(self.url, autocommit=True) as db:
            row: Any = db.execute("SELECT count(*) FROM told WHERE v = %s", (self.number,)).fetchone()
        return int(row[0])


def strikes(struck: Struck, count: int, *, ways: tuple[str, ...] = WAYS, told: Callable[[str], None] = print) -> None:
    """Each way at each point in turn."""
    for number in range(count):
        struck.strike(ways[number % len(ways)], POINTS[number // len(ways) % len(POINTS)])
    told(f"{count} points, marker table {struck.marker}: {dict(struck.found)}; wrong: {struck.wrong}")
