"""A server of models, and what is known of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlagent.core.secret import Secret
from sqlagent.llm.address import Address
from sqlagent.llm.prefixes import Prefixes

OPENAI = "https://api.openai.com/v1"


@dataclass(slots=True)
class Manners:
    """What one server turned out not to know, remembered from one question to the next."""

    without: set[str] = field(default_factory=set)
    """Fields that it does not take, and `system` where it has no such role."""
    is_bare: bool = False
    """Its address has no /v1."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers right now."""

    model: str
    address: Address = field(default_factory=lambda: Address(OPENAI))
    api_key: Secret = field(default_factory=Secret)
    extra: tuple[tuple[str, Any], ...] = ()
    """Fields of the request that only this kind of server knows."""
    manners: Manners = field(default_factory=Manners)
    memory: Prefixes | None = None
    """What it has read before, where that is kept."""

    @property
    def base_url(self) -> str:
        """Where requests go, without /v1 where this server turned out to have none."""
        return self.address.bare if self.manners.is_bare else self.address.base_url

    @property
    def host(self) -> str:
        """The address without any user, password or query in it."""
        if self.base_url == OPENAI:
            return "api.openai.com"
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def has_key(self) -> bool:
        """Whether a key is sent along."""
        return bool(self.api_key)

    def masked(self, text: str) -> str:
        """A text without the key, whatever a server or a library wrote into it."""
        return self.api_key.hide_in(text)
