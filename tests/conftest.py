"""Fixtures that every test may ask for."""

from __future__ import annotations

from openai_server import openai_server

__all__ = ["openai_server"]
