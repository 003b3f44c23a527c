"""What the policy would say of SQL: analyzed and measured as a run would, and nothing put on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlagent.core.errors import Finished
from sqlagent.core.nouns.analysis import Analysis
from sqlagent.core.nouns.session import Source, Status, Thread
from sqlagent.core.policy import Facts, Policy
from sqlagent.core.policy.decision import of

if TYPE_CHECKING:
    from sqlagent.config import DatabaseSettings
    from sqlagent.databases.base import Sink
    from sqlagent.service.parts import Parts


@dataclass(frozen=True, slots=True)
class Weighed:
    """The facts that the policy is asked about, and the policy."""

    analysis: Analysis
    facts: Facts
    policy: Policy


def of_sql(parts: Parts, chosen: DatabaseSettings, sql: str, *, by: str, sink: Sink) -> Weighed:
    """The facts of SQL that nobody has proposed.  Raises `QueryError` where the database would not prepare it."""
    from sqlagent.pipeline.proposing.analysis import (
        measured,  # with all of the pipeline's ports, which `policy check` needs not
    )

    at = parts.journal.time()
    row = Thread(
        id="", status=Status.NEW, database=chosen.name, url=chosen.url, target="", source=Source.PERSON, question="",
        requested_by=by, created_at=at, updated_at=at, sql=sql,
    )  # fmt: skip
    x = parts.context(row, by=by, sink=sink)
    analysis, measurement = measured(sql, x.database(), x)
    facts = Facts(chosen.name, by, parts.journal.now(), environment=x.environment, measurement=measurement)
    return Weighed(analysis, of(x.policy, facts), x.policy)


def of_thread(parts: Parts, thread: str) -> Weighed:
    """The facts of a thread's newest proposal, with today's rules and the time that it is now."""
    row = parts.journal.thread(thread)
    if not row.proposal:
        raise Finished(f"{thread} has no proposal yet", hint=f"sqlagent resume {thread}")
    proposal = parts.journal.proposal(row.proposal)
    rules = parts.policy(parts.settings_of(row))
    return Weighed(proposal.analysis, of(rules, proposal.facts(parts.journal.now())), rules)
