"""The library, and the product's one door to the pipeline: start reading at `agent.py`."""

from __future__ import annotations

from sqlagent.service.agent import Agent
from sqlagent.service.async_agent import AsyncAgent
from sqlagent.service.parts import Listener

__all__ = ["Agent", "AsyncAgent", "Listener"]
