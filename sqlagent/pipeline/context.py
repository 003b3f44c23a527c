"""The ports and settings that the graph's nodes work with: passed to every call, never stored in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlagent.core.nouns.session import Proposal
from sqlagent.core.policy import Policy
from sqlagent.databases.base import Database, Limits, MeasureBudget, Sink
from sqlagent.llm.client import Model
from sqlagent.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Context:
    """Ports and settings of one call; database and model are opened when a node first needs them."""

    database: Callable[[], Database]
    model: Callable[[], Model]
    journal: Journal
    policy: Policy
    limits: Limits
    sink: Sink
    by: str
    """The person on whose behalf this process acts."""
    begin: Callable[[str], None]
    """Told that something which takes time begins, in words: `asking gpt-5-mini about 12 tables`."""
    note: Callable[[str], None]
    """Told of what happens meanwhile: a retry, a draft that did not stand."""
    heard: Callable[[str], None]
    """Text of the model as it arrives."""
    send_examples: bool
    """Whether example values of the data go to a model that is not local."""
    examples: int
    """Example values a column that a model is shown."""
    expires: float | None
    """Seconds that a proposal lives; None for ever."""
    reached: Callable[[str], None]
    """Called at every named crash point; idle but in tests."""
    budget: MeasureBudget
    """What measuring the effect of one proposal may cost."""
    kept: Path
    """Folder for what a DROP or ALTER would lose, kept so that it can be undone."""
    so_far: Callable[[str], None] = lambda _words: None
    """Told how far something is that takes long; each takes the place of the one before, until `ended`."""
    ended: Callable[[], None] = lambda: None
    """Told that what took time is over, before anything else is said."""
    unasked: Callable[[Proposal], None] = lambda _proposal: None
    """Told of what the policy lets run without a person, before it runs."""
    decided: Callable[[str], None] = lambda _proposal: None
    """Told of the proposal that a LangGraph client decided on, once that is on record."""
    learn: bool = False
    """What people approve is kept as examples, and told to the model."""
    samples: int = 1
    """Drafts of one question, to see how many agree."""
    repair: bool = True
    """Whether a draft's mistakes that the schema tells are put right."""
    tables: tuple[str, ...] = ()
    """The tables that a person names for the model; empty for those that the question is about."""
    ask_back: bool = True
    """Whether a person is asked, without a model, where the schema itself shows that a question reads two ways."""
    may_ask: bool = True
    """Whether the model may ask back: not where whatever would ask a person is rejected."""
    environment: str = "terminal"
    """`terminal`, `ci`, `script` or `library`: a fact for the policy's rules."""
    count_seconds: float = 2.0
    """How long counting the rows of one proposal may take in all."""
