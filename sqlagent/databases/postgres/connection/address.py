"""Where a PostgreSQL database is and as whom it is opened, with the password apart from all that is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlagent.core.errors import ConnectError
from sqlagent.core.secret import Secret

_DEFAULTS: Mapping[str, str] = {"connect_timeout": "10", "application_name": "sqlagent"}
_ALWAYS: Mapping[str, str] = {"client_encoding": "utf8"}
"""The bytes that were approved are UTF-8; PGCLIENTENCODING would make the server read them as something else."""


@dataclass(frozen=True, slots=True)
class Address:
    """What libpq is told; the rest comes from libpq's own places: PGHOST, ~/.pgpass, a service file."""

    parts: Mapping[str, str]
    """libpq's own words for them: `host`, `dbname`, `sslmode`, ...; no password."""
    password: Secret = field(default_factory=Secret)
    """Empty where libpq is to find one, or none is needed."""

    @classmethod
    def of(cls, url: str, password: Secret | None = None) -> Address:
        """Raises ConnectError for what is no URL or connection string; a password in it is taken out."""
        try:
            parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
        except Error as e:
            said = Secret(url).hide_in(" ".join(str(e).split()))
            raise ConnectError(f"the URL cannot be read: {said}", hint="postgresql://role@host/database") from None
        written = Secret(parts.pop("password", ""))
        return cls({**_DEFAULTS, **parts, **_ALWAYS}, password or written)

    @property
    def conninfo(self) -> str:
        """The connection string for the driver alone: the password is in it."""
        given = {"password": self.password.reveal()} if self.password else {}
        return make_conninfo("", **self.parts, **given)

    @property
    def role(self) -> str:
        """The user that the URL names; empty where libpq chooses."""
        return self.parts.get("user", "")

    @property
    def server(self) -> str:
        """Host and port as a message names them: `db.example:5432`."""
        if "service" in self.parts:
            return f"service {self.parts['service']}"
        host, port = self.parts.get("host") or self.parts.get("hostaddr", ""), self.parts.get("port", "")
        return f"{host or 'the server of this machine'}{f':{port}' if host and port else ''}"

    @property
    def options(self) -> str:
        """The address as PostgreSQL's own programs take it: `-h db.example -p 5432`."""
        named = (("-h", "host"), ("-p", "port"), ("-U", "user"))
        return " ".join(f"{flag} {self.parts[key]}" for flag, key in named if self.parts.get(key))
