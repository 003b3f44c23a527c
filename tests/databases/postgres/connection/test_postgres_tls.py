"""TLS as libpq has it: what is accepted, and why not where it is not; two lines and an exit code each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_tls import Authority, present

from sqlagent.core.errors import SqlagentError
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.throwaway.server import ThrowawayServer
from sqlagent.ui.diagnostics import ExitCode, exit_code_for

NO_CONNECTION, NO_AUTH = ExitCode.CONNECTION, ExitCode.AUTH
OWN = "sslcert={folder}/client.crt&sslkey={folder}/client.key"


@pytest.fixture
def out_of_date(tls_server: ThrowawayServer, authority: Authority) -> Iterator[None]:
    present(tls_server, authority, "expired")
    yield
    present(tls_server, authority, "host")


def url(server: ThrowawayServer, authority: Authority, query: str, *, user: str, host: str = "localhost") -> str:
    asked = query.format(folder=authority.folder)
    return f"postgresql://{user}@{host}:{server.port}/postgres?hostaddr=127.0.0.1&{asked}"


@pytest.mark.parametrize(
    ("user", "host", "query"),
    [
        ("postgres", "localhost", "sslmode=verify-full&sslrootcert={folder}/ca.crt"),
        ("postgres", "db.test", "sslmode=verify-full&sslrootcert={folder}/ca.crt"),
        ("postgres", "elsewhere.test", "sslmode=verify-ca&sslrootcert={folder}/ca.crt"),
        ("postgres", "elsewhere.test", "sslmode=require"),
        ("postgres", "localhost", "sslmode=disable"),
        ("encrypted_only", "localhost", "sslmode=prefer"),
        ("needs_certificate", "localhost", "sslmode=require&" + OWN),
        ("needs_certificate", "localhost", "sslmode=verify-full&sslrootcert={folder}/ca.crt&" + OWN),
    ],
)
def test_what_libpq_accepts_is_opened(
    tls_server: ThrowawayServer, authority: Authority, user: str, host: str, query: str
) -> None:
    db = open_database(url(tls_server, authority, query, user=user, host=host), name="shop")

    assert [opinion.readonly for opinion in db.inspect(["SELECT 1"])] == [True]
    db.close()


@pytest.mark.parametrize(
    ("user", "host", "query", "message", "hint", "code"),
    [
        ("postgres", "elsewhere.test", "sslmode=verify-full&sslrootcert={folder}/ca.crt",
         "does not match host name", "name the server as its certificate does", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=verify-full&sslrootcert={folder}/other.crt",
         "certificate verify failed", "it is out of date, or of nobody that sslrootcert trusts", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=verify-ca&sslrootcert={folder}/other.crt",
         "certificate verify failed", "openssl s_client -starttls postgres -connect localhost:", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=verify-full&sslrootcert=/nowhere/ca.crt",
         'root certificate file "/nowhere/ca.crt" does not exist', "sslrootcert=FILE", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=verify-full", "root certificate file", "sslrootcert=FILE", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=verify-full&sslrootcert={folder}/client.key",
         "could not read root certificate file", "sslrootcert=FILE", NO_CONNECTION),
        ("encrypted_only", "localhost", "sslmode=disable", "lets nobody in this way", "sslmode=require", NO_AUTH),
        ("needs_certificate", "localhost", "sslmode=require",
         "wants a certificate of needs_certificate, and was shown none", "sslcert=FILE and sslkey=FILE", NO_AUTH),
        ("needs_certificate", "localhost", "sslmode=require&sslcert=/nowhere/x.crt&sslkey={folder}/client.key",
         "was shown none", "sslcert=FILE", NO_AUTH),
        ("needs_certificate", "localhost",
         "sslmode=require&sslcert={folder}/stranger.crt&sslkey={folder}/stranger.key",
         "did not accept the certificate that it was shown", "an authority that the server trusts", NO_AUTH),
        ("needs_certificate", "localhost", "sslmode=require&sslcert={folder}/host.crt&sslkey={folder}/host.key",
         "did not accept the certificate that it was shown", "the role for its name (CN)", NO_AUTH),
        ("needs_certificate", "localhost", "sslmode=require&sslcert={folder}/client.crt&sslkey=/nowhere/key",
         "the client's certificate cannot be used", "PEM files that belong together", NO_CONNECTION),
        ("needs_certificate", "localhost", "sslmode=require&sslcert={folder}/client.crt&sslkey={folder}/host.key",
         "the client's certificate cannot be used", "PEM files that belong together", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=require&ssl_max_protocol_version=TLSv1.1",
         "no version of TLS is left to speak", "ssl_min_protocol_version", NO_CONNECTION),
        ("postgres", "localhost", "sslmode=require&ssl_min_protocol_version=nonsense",
         "ssl_min_protocol_version cannot be nonsense", "it is read as psql reads it", NO_CONNECTION),
    ],
)  # fmt: skip
def test_what_is_not_accepted_is_said_with_what_to_do(
    tls_server: ThrowawayServer, authority: Authority, user: str, host: str, query: str, message: str, hint: str,
    code: ExitCode,
) -> None:  # fmt: skip
    error = refused(url(tls_server, authority, query, user=user, host=host))

    assert message in error.message
    assert hint in error.hint
    assert exit_code_for(error) is code


def test_a_key_that_others_may_read_is_not_used(tls_server: ThrowawayServer, authority: Authority) -> None:
    authority.sign("open", "/CN=needs_certificate", days="30")
    (authority.folder / "open.key").chmod(0o644)
    query = "sslmode=require&sslcert={folder}/open.crt&sslkey={folder}/open.key"
    error = refused(url(tls_server, authority, query, user="needs_certificate"))

    assert "has group or world access" in error.message
    assert "chmod 600" in error.hint


@pytest.mark.usefixtures("out_of_date")
def test_a_certificate_that_is_out_of_date_is_not_accepted(tls_server: ThrowawayServer, authority: Authority) -> None:
    query = "sslmode=verify-full&sslrootcert={folder}/ca.crt"
    error = refused(url(tls_server, authority, query, user="postgres"))

    assert "certificate verify failed" in error.message
    assert "it is out of date" in error.hint


def refused(where: str) -> SqlagentError:
    with pytest.raises(SqlagentError) as error:
        open_database(where, name="shop")
    assert "\n" not in error.value.message + error.value.hint
    return error.value
