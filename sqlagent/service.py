"""The library, and the product's one door to the pipeline."""

from __future__ import annotations


class Agent: ...
