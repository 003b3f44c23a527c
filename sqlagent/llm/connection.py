"""The HTTP client to a server, with this machine's proxies and certificates; on loopback never a proxy."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlagent.core.errors import AuthError, ConfigError
from sqlagent.core.secret import Secret
from sqlagent.llm.address import Address, is_loopback

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 10.0
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def open_client(address: Address, key: Secret, timeout: float) -> httpx2.Client:
    """A client for one server.  Raises an error of ours where a key or this machine's settings cannot work."""
    import httpx2

    _check_key(key)
    local = is_loopback(address.base_url)
    if not local:
        _check_proxy(address.base_url)
    try:
        return httpx2.Client(
            # Reading all of a machine's certificates takes 40 ms, and plain HTTP to loopback uses none.
            verify=False if local and address.base_url.startswith("http://") else httpx2.create_ssl_context(),
            trust_env=not local,
            timeout=httpx2.Timeout(timeout or None, connect=min(timeout or CONNECT_SECONDS, CONNECT_SECONDS)),
            follow_redirects=False,  # a schema goes to the server that was named, and to no other
            event_hooks={"request": [lambda request: _as_azure(request, key)]} if address.is_azure else None,
        )
    except (OSError, ValueError) as e:  # ssl's own errors are OSErrors
        raise _without_certificates(e) from e


def proxy_of(base_url: str) -> tuple[str, str]:
    """The proxy that requests to this address pass, and the variable that names it; empty where there is none."""
    from urllib.request import getproxies, proxy_bypass  # 20 ms that only a question to a model pays

    url = urlsplit(base_url)
    host = url.hostname or ""
    if is_loopback(base_url) or proxy_bypass(host):
        return "", ""
    named = getproxies()
    scheme = next((each for each in (url.scheme, "all") if named.get(each)), "")
    if not scheme:
        return "", ""
    variables = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    return named[scheme], next((each for each in variables if os.environ.get(each)), "the system's settings")


def without_password(url: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _as_azure(request: httpx2.Request, key: Secret) -> None:
    """Azure takes its own keys in a header of its own, and tokens of Entra as everybody does."""
    if not key.reveal().startswith("eyJ"):
        request.headers.pop("authorization", None)
        request.headers["api-key"] = key.reveal()


def _check_key(key: Secret) -> None:
    text = key.reveal()
    if not text.isascii() or re.search(r"[\x00-\x20\x7f]", text):
        place = next(i for i, char in enumerate(text) if not "!" <= char <= "~")
        what = "a blank or a line break" if text[place].isspace() else "a character that no key has"
        raise AuthError(
            f"the key has {what} at place {place + 1} of {len(text)}",
            hint="copy it anew into OPENAI_API_KEY or SQLAGENT_API_KEY_FILE, without quotes, dots or line breaks",
        )


def _check_proxy(base_url: str) -> None:
    proxy, variable = proxy_of(base_url)
    scheme = proxy.partition("://")[0].lower() if "://" in proxy else "http"
    if scheme.startswith("socks"):
        from importlib.util import find_spec

        if scheme not in ("socks5", "socks5h"):
            raise ConfigError(
                f"{variable} names a {scheme} proxy, and only socks5 is spoken", hint=_without_proxy(variable, base_url)
            )
        if find_spec("socksio") is None:
            raise ConfigError(
                f"{variable} names a SOCKS proxy, and the package that speaks SOCKS is not installed",
                hint=f"pip install socksio, or {_without_proxy(variable, base_url)}",
            )
    elif scheme not in ("", "http", "https"):
        raise ConfigError(
            f"{variable} names a proxy of an unknown kind: {without_password(proxy)}",
            hint=_without_proxy(variable, base_url),
        )


def _without_proxy(variable: str, base_url: str) -> str:
    return f"unset {variable}, or NO_PROXY={urlsplit(base_url).hostname}"


def _without_certificates(error: Exception) -> ConfigError:
    """Why the certificates could not be read: the file that a variable names is the usual reason."""
    for variable in _CERTIFICATES:
        if named := os.environ.get(variable):
            why = getattr(error, "strerror", None) or str(error)
            what = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be used ({why.lower()})"
            return ConfigError(
                f"the certificates that {variable} names cannot be read: {named} {what}",
                hint=f"unset {variable}, or name a file of PEM certificates",
            )
    return ConfigError(f"the certificates or the proxy of this machine cannot be used: {error}", hint="sqlagent doctor")
