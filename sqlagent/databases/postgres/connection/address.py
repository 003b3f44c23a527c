"""Where a PostgreSQL database is and as whom it is opened, with the password apart from all that is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sqlagent.core.errors import ConnectError
from sqlagent.core.secret import Secret

_DEFAULTS: Mapping[str, str] = {"connect_timeout": "10", "application_name": "sqlagent"}


@dataclass(frozen=True, slots=True)
class Address:
    """What libpq is told.  Whatever is not in it comes from libpq's own places: PGHOST, ~/.pgpass, a service file."""

    conninfo: str
    """Without a password."""
    password: Secret = field(default_factory=Secret)
    """Empty where libpq is to find one, or none is needed."""

    @classmethod
    def of(cls, url: str, password: Secret | None = None) -> Address:
        """Raises ConnectError for what is no URL or connection string; a password in it is taken out."""
        try:
            parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
        except Error as e:
            said = Secret(url).hide_in(str(e).strip().splitlines()[0])
            raise ConnectError(f"the URL cannot be read: {said}", hint="postgresql://user@host/database") from e
        written = Secret(parts.pop("password", ""))
        return cls(make_conninfo("", **{**_DEFAULTS, **parts}), password or written)

    @property
    def secret_conninfo(self) -> str:
        """For the driver alone."""
        return make_conninfo(self.conninfo, password=self.password.reveal()) if self.password else self.conninfo
