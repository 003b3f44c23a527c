"""Why there is no session: which of host, certificate, role, password and database it was, and what to type.

libpq gives no SQLSTATE before there is a session, only text; the server's part of it may be in another language, and
then it is shown as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg

from sqlagent.core.errors import AuthError, ConnectError, SqlagentError
from sqlagent.databases.postgres.connection.address import Address
from sqlagent.databases.postgres.connection.pooler import of_the_pooler

_WHERE_IT_GOES = "a line in ~/.pgpass, PGPASSWORD, or password_command of the database in your config file"
_Found = re.Match[str]


def refusal(error: psycopg.Error, address: Address) -> SqlagentError:
    """The reason in words; nothing of a password is in it."""
    text = address.password.hide_in(" ".join(str(error).split()))
    for pattern, sqlstate, make in _REASONS:
        if found := pattern.search(text):
            refused = make(found, address)
            refused.sqlstate = sqlstate
            return refused
    if by_pooler := of_the_pooler(text):
        return by_pooler
    told = re.sub(r"^connection failed: (connection to server [^:]*failed: )?", "", text)
    refused = ConnectError(f"{address.server} could not be opened: {told}", hint=f"psql {address.options}".rstrip())
    refused.sqlstate = error.sqlstate or ""
    return refused


def _no_database(found: _Found, address: Address) -> SqlagentError:
    name = found[1] or found[2]
    return ConnectError(f"there is no database {name} at {address.server}", hint=f"psql {address.options} -l")


def _no_role(found: _Found, address: Address) -> SqlagentError:
    return AuthError(
        f"there is no role {found[1]} at {address.server}", hint="name another: postgresql://ROLE@host/database"
    )


def _wrong_password(found: _Found, address: Address) -> SqlagentError:
    return AuthError(f"{address.server} refused the password of {found[1]}", hint=_WHERE_IT_GOES)


def _no_password(_found: _Found, address: Address) -> SqlagentError:
    return AuthError(f"{address.server} wants a password, and there is none", hint=_WHERE_IT_GOES)


def _not_let_in(found: _Found, address: Address) -> SqlagentError:
    wants = "; sslmode=require may be what it wants" if "no encryption" in found.string else ""
    return AuthError(
        f"{address.server} lets nobody in this way: {found[1]}", hint=f"who runs it adds a line to pg_hba.conf{wants}"
    )


def _not_known_to_the_pooler(_found: _Found, address: Address) -> SqlagentError:
    return AuthError(
        f"the pooler at {address.server} does not let {address.role or 'this role'} in",
        hint="its auth_file or auth_query says whom it knows; the password is the one that it knows",
    )


def _may_not_connect(found: _Found, address: Address) -> SqlagentError:
    role = address.role or "ROLE"
    return AuthError(f"{role} may not connect to {found[1]}", hint=f"GRANT CONNECT ON DATABASE {found[1]} TO {role}")


def _no_login(found: _Found, address: Address) -> SqlagentError:
    return AuthError(f"role {found[1]} may not log in to {address.server}", hint=f"ALTER ROLE {found[1]} LOGIN")


def _no_host(found: _Found, _address: Address) -> SqlagentError:
    return ConnectError(
        f"there is no host {found[1] or found[2]}", hint="look at the URL: postgresql://ROLE@host:5432/database"
    )


def _nobody_there(_found: _Found, address: Address) -> SqlagentError:
    return ConnectError(f"nothing answers at {address.server}", hint=f"pg_isready {address.options}")


def _certificate(found: _Found, address: Address) -> SqlagentError:
    if "does not match host name" in found[1]:
        hint = "name the server as its certificate does, or sslmode=verify-ca"
    elif "certificate file" in found[1]:
        hint = "sslrootcert=FILE in the URL names whom to trust; sslmode is libpq's"
    else:
        where = f"{address.parts.get('host', 'HOST')}:{address.parts.get('port', '5432')}"
        hint = (
            "it is out of date, or of nobody that sslrootcert trusts:"
            f" openssl s_client -starttls postgres -connect {where}"
        )
    return ConnectError(f"the certificate of {address.server} was not accepted: {found[1]}", hint=hint)


def _wants_a_certificate(_found: _Found, address: Address) -> SqlagentError:
    return AuthError(
        f"{address.server} wants a certificate of {address.role or 'the role'}, and was shown none",
        hint="sslcert=FILE and sslkey=FILE in the URL; by default ~/.postgresql/postgresql.crt and .key",
    )


def _not_its_certificate(found: _Found, address: Address) -> SqlagentError:
    return AuthError(
        f"{address.server} did not accept the certificate that it was shown: {found[1]}",
        hint="one that is in date, of an authority that the server trusts, and with the role for its name (CN)",
    )


def _unusable_certificate(found: _Found, _address: Address) -> SqlagentError:
    return ConnectError(
        f"the client's certificate cannot be used: {found[1]}",
        hint="sslcert and sslkey are PEM files that belong together; only you may read the key (chmod 600)",
    )


def _no_ssl(_found: _Found, address: Address) -> SqlagentError:
    return ConnectError(
        f"{address.server} speaks no TLS, and sslmode asks for it", hint="sslmode=prefer, if the network is yours"
    )


def _no_service(found: _Found, _address: Address) -> SqlagentError:
    return ConnectError(
        f"there is no service {found[1] or found[2]}", hint="~/.pg_service.conf, or the file that PGSERVICEFILE names"
    )


def _bad_value(found: _Found, _address: Address) -> SqlagentError:
    if found["range"]:
        return ConnectError("no version of TLS is left to speak", hint="ssl_min_protocol_version is above the greatest")
    name, value = (found["name"] or found["option"]).strip('"'), found["value"] or found["text"]
    return ConnectError(f"{name} cannot be {value}", hint="it is read as psql reads it")


def _not_now(found: _Found, address: Address) -> SqlagentError:
    return ConnectError(f"{address.server} takes no sessions now: {found[1]}", hint="try again in a moment")


_REASONS: tuple[tuple[re.Pattern[str], str, Callable[[_Found, Address], SqlagentError]], ...] = (
    (re.compile(r'database "([^"]+)" does not exist|no such database: (\S+)'), "3D000", _no_database),
    (re.compile(r'role "([^"]+)" does not exist'), "28000", _no_role),
    (re.compile(r'role "([^"]+)" is not permitted to log in'), "28000", _no_login),
    (re.compile(r'password authentication failed for user "([^"]+)"'), "28P01", _wrong_password),
    (re.compile(r"no password supplied"), "28P01", _no_password),
    (re.compile(r"(no pg_hba\.conf entry.*?|pg_hba\.conf rejects connection.*?)$"), "28000", _not_let_in),
    (re.compile(r'((?:Peer|Ident|GSSAPI|SSPI|LDAP|RADIUS|PAM) authentication failed for user "[^"]+")'),
     "28000", _not_let_in),
    (re.compile(r'FATAL: +(?:"\w+"|SASL|SCRAM|password) authentication failed|no such user'), "28P01",
     _not_known_to_the_pooler),
    (re.compile(r'permission denied for database "([^"]+)"'), "42501", _may_not_connect),
    (re.compile(r'could not translate host name "([^"]+)"|failed to resolve host \'([^\']+)\''), "", _no_host),
    (re.compile(r"connection requires a valid client certificate"), "28000", _wants_a_certificate),
    (re.compile(r"(certificate authentication failed for user|alert (?:unknown ca|bad certificate|certificate \w+"
                r"|unsupported certificate|decrypt error))"), "28000", _not_its_certificate),
    (re.compile(r"(certificate present, but not private key file.*|could not load private key file.*"
                r"|private key file .*? has group or world access|private key file .*? must be owned by.*"
                r"|could not (?:read|open) certificate file.*|certificate does not match private key file.*)"), "",
     _unusable_certificate),
    (re.compile(r"((?:certificate verify failed|certificate has expired).*?"
                r"|(?:could not read )?root certificate file \S+(?: does not exist)?"
                r"|server certificate for .*? does not match host name \S+)"), "", _certificate),
    (re.compile(r"server does not support SSL"), "", _no_ssl),
    (re.compile(r'definition of service "([^"]+)" not found|service file "([^"]+)" not found'), "", _no_service),
    (re.compile(r'invalid (?P<name>\S+(?: number)?)(?: value)?: "(?P<value>[^"]*)"'
                r'|invalid integer value "(?P<text>[^"]*)" for connection option "(?P<option>[^"]*)"'
                r"|(?P<range>invalid SSL protocol version range)"), "", _bad_value),
    (re.compile(r"FATAL: +(the database system is [^.]*|sorry, too many clients already"
                r"|remaining connection slots are reserved.*?)$"), "57P03", _not_now),
    (re.compile(r"Connection refused|timeout expired|No such file or directory|timed out|Network is unreachable"
                r"|No route to host"), "", _nobody_there),
)  # fmt: skip
"""What libpq and the server say, the SQLSTATE where it is the server, and our words."""
