"""The nouns of a policy: rules, the stages of people who approve, and the verdict on one proposal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlagent.core.nouns.effect import Measurement

RELAXABLE = ("hidden-characters", "executable-comment")
"""What a user may relax.  The other denials stand: no adapter carries out what reaches outside the database, ends its
own transaction or changes settings, so there is nothing that a person could approve."""


class OnTimeout(StrEnum):
    """What becomes of a proposal whose stage ran out of time."""

    REJECT = "reject"
    ESCALATE = "escalate"
    """The next stage decides without this one."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Who must say yes, and by when."""

    name: str = ""
    """`technical`; empty for the stage that any person fills."""
    role: str = ""
    """The role whose holders may; empty for anyone, or for those in `who`."""
    who: tuple[str, ...] | None = None
    """The people who may, by identity: the role's holders, resolved.  None for anyone; empty for nobody."""
    people: int = 1
    """How many different people."""
    not_requester: bool = False
    """Neither who asked nor who wrote the SQL counts here."""
    expires: float | None = None
    """Seconds from when the stage begins; None for ever."""
    on_timeout: OnTimeout = OnTimeout.REJECT
    via: tuple[str, ...] | None = None
    """The doors through which it may be approved, such as `terminal`; None for any.  A speed bump: a program that runs
    as the same user can type what the user can."""
    signed: bool = False
    """Only a signature counts, by a key that `allowed_signers` names for the person."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One approval that is asked for: one person of one stage."""

    stage: str = ""
    role: str = ""
    who: tuple[str, ...] | None = None
    not_requester: bool = False
    expires: float | None = None
    on_timeout: OnTimeout = OnTimeout.REJECT
    via: tuple[str, ...] | None = None
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Allow:
    """It may run unasked."""

    rule: str
    where: tuple[str, ...] = ()
    """Where each rule of `rule` stands, such as `policy.toml:14`; empty for a built-in one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """People decide: every seat of every stage is filled by another person, in this order."""

    rule: str = ""
    """The rules that asked, `, ` between them; empty where none did."""
    stages: tuple[Stage, ...] = (Stage(),)
    why: str = ""
    where: tuple[str, ...] = ()
    """Where each rule of `rule` stands."""

    @property
    def seats(self) -> tuple[Seat, ...]:
        """One for every person that is needed."""
        return tuple(
            Seat(s.name, s.role, s.who, s.not_requester, s.expires, s.on_timeout, s.via, s.signed)
            for s in self.stages
            for _ in range(s.people)
        )


@dataclass(frozen=True, slots=True)
class Deny:
    """Nobody may approve it."""

    rule: str
    why: str
    where: tuple[str, ...] = ()
    what: str = ""
    """What is denied, in the statement's own words: `drop table`; empty where a built-in rule denies."""


Verdict = Allow | Ask | Deny


class Reads(StrEnum):
    """What happens to a proven read that no rule speaks of."""

    ASK = "ask"
    ALLOW = "allow"


class Writes(StrEnum):
    """What happens to all that is not a proven read."""

    ASK = "ask"
    DENY = "deny"
    """The database is configured `read_only`."""
    NEVER = "never"
    """It is files of rows, which are only read."""


class Origin(StrEnum):
    """Whose file a rule stands in."""

    USER = "user"
    """One that the user named: it may allow."""
    PROJECT = "project"
    """It may have come with somebody's clone: its denials and questions count, what it allows does not."""
    SYSTEM = "system"
    """The machine's own, which root wrote: it binds everybody."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]` of a policy file."""

    id: str
    then: Allow | Ask | Deny
    when: dict[str, Any] = field(default_factory=dict)
    """Conditions by name, checked, each a class of `core.policy.conditions`."""
    why: str = ""
    where: str = ""
    """`policy.toml:14`."""
    origin: Origin = Origin.USER


@dataclass(frozen=True, slots=True)
class KnownAs:
    """What a database is, whatever it is called here: rules by database match this."""

    called: str
    """As the person calls it: a name of a project's file, a path's last part."""
    names: frozenset[str] = frozenset()
    """What the user's own files, or the machine's, call the place that it is at."""
    places: frozenset[str] = frozenset()
    """Its path, or its host and name, as a rule may spell them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules may look at beyond the analysis of the SQL."""

    database: str
    """As the person calls it."""
    requester: str
    now: datetime
    """Aware."""
    environment: str = "terminal"
    """`terminal`, `ci`, `script` or `library`: what the process says of itself, so nothing to allow by."""
    measurement: Measurement | None = None
    confidence: float | None = None
    drafts: int = 0
    """Of which `confidence` tells; of one alone it is its chance to be right."""
    """Share of the model's drafts that agree; None where only one was made, or a person wrote it."""
    known_as: KnownAs | None = None
    """What the database is; where nobody says, its name is taken for it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Defaults are the strictest: everything is asked, and what reaches outside the database is denied."""

    reads: Reads = Reads.ASK
    relaxed: frozenset[str] = frozenset()
    """Rules that ask instead of denying; only the user's own settings name them."""
    writes: Writes = Writes.ASK
    rules: tuple[Rule, ...] = ()
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Each role and who holds it, by identity."""
    timezone: str = "UTC"
    """Of rules that look at the time of day."""
    least_confidence: float = 1.0
    """Reads that are allowed unasked are asked where fewer of the model's drafts agree."""
    known_as: KnownAs | None = None
    """What the database is that it is asked about."""
