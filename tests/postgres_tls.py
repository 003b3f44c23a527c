"""A PostgreSQL server that speaks TLS, with certificates of a test's own authority."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sqlagent.databases.postgres.throwaway.server import ThrowawayServer

DEBIAN = Path("/usr/lib/postgresql/15/bin")
"""The wheel's server is built without TLS."""
_RULES = """
hostssl all needs_certificate 127.0.0.1/32 cert
hostnossl all encrypted_only 127.0.0.1/32 reject
"""
_SETTINGS = """
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
ssl_ca_file = 'ca.crt'
"""


class Authority:
    """Certificates, made by openssl in a folder: of a server, of one that is out of date, and of clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca("ca")
        self._ca("other")
        self.sign("host", "/CN=localhost", names="DNS:localhost,DNS:db.test", days="30")
        self.sign("expired", "/CN=localhost", names="DNS:localhost", days="-1")
        self.sign("client", "/CN=needs_certificate", days="30")
        self.sign("stranger", "/CN=needs_certificate", by="other", days="30")

    def of(self, name: str) -> str:
        return str(self.folder / name)

    def _ca(self, name: str) -> None:
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                      "30", "-subj", f"/CN=test {name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")  # fmt: skip

    def sign(self, name: str, subject: str, *, days: str, names: str = "", by: str = "ca") -> None:
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                      subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.key",
                      "-CAcreateserial", "-days", days, "-extfile", extension.name, "-out", f"{name}.crt")  # fmt: skip
        (self.folder / f"{name}.key").chmod(0o600)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls_server(authority: Authority) -> Iterator[ThrowawayServer]:
    if not DEBIAN.is_dir():
        pytest.skip("there is no PostgreSQL here that speaks TLS")
    server = ThrowawayServer(addresses="127.0.0.1", programs=DEBIAN)
    rules = server.data / "pg_hba.conf"
    rules.write_text(f"{_RULES}{rules.read_text()}")
    (server.data / "ca.crt").write_text(Path(authority.of("ca.crt")).read_text())
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(_SETTINGS)
    present(server, authority, "host")
    with psycopg.connect(server.loopback_url(), autocommit=True) as admin:
        admin.execute(b"CREATE ROLE needs_certificate LOGIN; CREATE ROLE encrypted_only LOGIN")
    yield server
    server.close()


def present(server: ThrowawayServer, authority: Authority, name: str) -> None:
    """It shows that certificate from here on."""
    owner = pwd.getpwnam(server.data.owner())
    for end in ("crt", "key"):
        path = server.data / f"server.{end}"
        path.unlink(missing_ok=True)
        path.write_text(Path(authority.of(f"{name}.{end}")).read_text())
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, owner.pw_uid, owner.pw_gid)
    server.stop()
    server.start()
