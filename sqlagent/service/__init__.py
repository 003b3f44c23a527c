"""The library, and the product's one door to the pipeline: start reading at `agent.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlagent.service.agent import Agent
from sqlagent.service.parts import Listener

if TYPE_CHECKING:
    from sqlagent.service.async_agent import AsyncAgent

__all__ = ["Agent", "AsyncAgent", "Listener"]


def __getattr__(name: str) -> object:
    if name == "AsyncAgent":
        from sqlagent.service.async_agent import AsyncAgent  # with asyncio, 40 ms that no command needs

        return AsyncAgent
    raise AttributeError(f"module {__name__} has no attribute {name}")
