"""Failures between sqlagent and a model's server: whether another try is worth it, and what would mend it."""

from __future__ import annotations

import errno
import math
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from sqlagent.core.errors import AuthError, ConnectError, ModelError, SqlagentError
from sqlagent.llm.connection import CONNECT_SECONDS, proxy_of, without_password
from sqlagent.llm.endpoint import Endpoint
from sqlagent.llm.events import LARGEST, TooLarge
from sqlagent.llm.server_words import Refused, Unreadable, shortened

LONGEST_WAIT = 30.0
"""A server that asks for more patience than this is reported instead of waited for."""
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_NO_MONEY = re.compile(r"insufficient[_ ](quota|balance|credits?|funds)|billing|payment|out of credits|exceeded your "
                       r"current quota|credit balance|quota has been exhausted|free tier limit")  # fmt: skip
_PASSES = re.compile(
    r"try again|retry|overloaded|rate.?limit|too many requests|capacity|temporar|unavailable|timed? ?out"
    r"|loading|busy|throttl"
)
_TOO_LONG = re.compile(
    r"context[_ ](length|window|size)|maximum context|too many (input )?tokens"
    r"|(prompt|input|request)[\w ]* too (long|large)"
    r"|maximum (number of )?(input )?tokens|exceeds?[\w ]* (token|context)|reduce the length"
    r"|max_new_tokens.{0,20}must be"
    r"|num_ctx|n_ctx|string_above_max_length|context_length_exceeded"
)
_NO_MODEL = re.compile(
    r"model[_ ]not[_ ](found|exist)|no such model|unknown model|invalid model|not a valid model|model_not_available"
    r"|model .{0,80}(does not exist|not found|is not a valid|not exist|isn't available|no longer available|deprecated"
    r"|decommissioned)|no models? (is |are )?loaded|deploymentnotfound|deployment .{0,60}(does not exist|not found)"
    r"|does not have access to model|no endpoints found",
    re.DOTALL,
)
_FILTERED = re.compile(r"content[_ ](filter|management|policy)|responsibleai|moderation|flagged|safety system")


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and every error that it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def delay(error: Exception, tried: int) -> float | None:
    """Seconds until it is worth another try; None where it is not, or not within reason."""
    if isinstance(error, Refused):
        if not _may_pass(error):
            return None
        wait = _asked_to_wait(error)
        wait = float(2 ** (tried - 1)) if wait is None else wait
        return wait if wait <= LONGEST_WAIT else None
    return float(2 ** (tried - 1)) if _dropped(error) else None


def is_no_model(error: Refused) -> bool:
    """Whether the server is there, and does not have the model."""
    return "model" in error.everything or bool(_NO_MODEL.search(error.everything))


def nobody_answered(error: Exception) -> bool:
    """Whether there was no answer of whatever kind."""
    return not isinstance(error, Refused | Unreadable | TooLarge)


def explained(error: Exception, endpoint: Endpoint, timeout: float, tried: int) -> SqlagentError:
    """The failure in our words."""
    if isinstance(error, Refused):
        return _refused(error, endpoint, f" ({tried} tries)" if tried > 1 else "")
    if isinstance(error, Unreadable):
        return _unreadable(error, endpoint)
    if isinstance(error, TooLarge):
        return ModelError(
            f"the model's answer does not end: {LARGEST:,} bytes came", hint="name another model with --model"
        )
    return _unreached(error, endpoint, timeout, tried)


def _may_pass(error: Refused) -> bool:
    said = error.everything
    if _NO_MONEY.search(said) or _TOO_LONG.search(said) or _FILTERED.search(said) or _NO_MODEL.search(said):
        return False
    return error.status in TRANSIENT or (error.status == 0 and bool(_PASSES.search(said)))


def _asked_to_wait(error: Refused) -> float | None:
    """What the server's `Retry-After` says, as seconds or as a date; None where it says nothing that can be read."""
    try:
        if ms := error.headers.get("retry-after-ms"):
            wait = float(ms) / 1000
        else:
            wait = _seconds(error.headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(wait, 0.0) if math.isfinite(wait) else None


def _seconds(said: str) -> float:
    try:
        return float(said)
    except ValueError:
        at = parsedate_to_datetime(said)
        return (at - datetime.now(at.tzinfo or UTC)).total_seconds() if at.tzinfo else 0.0


# ---- the server said no -----------------------------------------------------------------------------------------


def _refused(error: Refused, endpoint: Endpoint, times: str) -> SqlagentError:
    status, everything, host = error.status, error.everything, endpoint.host
    said = endpoint.masked(error.said) or "it did not say why"
    answered = f"the model answered {status}" if status else "the model's server reports an error"
    if 300 <= status < 400:
        return _moved(error, endpoint)
    if status == 407:
        return _proxy_login(endpoint)
    if "plain http request was sent to https" in everything:
        return ConnectError(f"{host} wants https: {said}", hint=f"--base-url https://{host.partition('://')[2]}")
    if error.is_page and status not in (401, 404):
        return _page(said, endpoint, f"{status}{times}")
    if _NO_MONEY.search(everything) or status == 402:
        return ModelError(f"{answered}: {said}", hint=f"there is no credit or quota left for this key at {host}")
    if _FILTERED.search(everything) and status in (0, 400, 403):
        return ModelError(f"the model's server filtered the question: {said}", hint="word the question differently")
    if status in (401, 403):
        return _unauthorized(status, said, endpoint)
    if _TOO_LONG.search(everything) or status == 413:
        return ModelError(
            f"the question and the schema are too long for the model: {said}",
            hint="name fewer tables with --tables, or a model with a larger context with --model",
        )
    if _NO_MODEL.search(everything) or (status == 404 and is_no_model(error)):
        hint = f"ollama pull {endpoint.model}" if "pull" in everything else "check --model"
        where = "a deployment" if endpoint.address.is_azure else "a model"
        return ModelError(
            f"{host} has no model {endpoint.model}: {said}", hint=f"{hint}: it names {where} of this server"
        )
    if status in (404, 405):
        return ModelError(
            f"there is no chat at {host} ({status}): {said}",
            hint="check --base-url, which most servers want to end in /v1: sqlagent help servers",
        )
    wait = _asked_to_wait(error)
    if wait is not None and wait > LONGEST_WAIT:
        return ModelError(f"{answered}: {said}", hint=f"it asks to be left alone for {wait:,.0f} s; ask again then")
    if status in (400, 415, 422):
        return ModelError(
            f"{answered}: {said}", hint="--debug shows what was sent; another model: --model; sqlagent help servers"
        )
    return ModelError(f"{answered}{times}: {said}", hint="ask again later, or name another --model")


def _unauthorized(status: int, said: str, endpoint: Endpoint) -> AuthError:
    variables = "OPENAI_API_KEY or SQLAGENT_API_KEY_FILE"
    if not endpoint.has_key:
        return AuthError(f"{endpoint.host} wants a key, and none is set ({status}): {said}", hint=f"set {variables}")
    if status == 401:
        return AuthError(
            f"the model's server refused the key (401): {said}", hint=f"check {variables} for {endpoint.host}"
        )
    return AuthError(
        f"the model's server does not allow it with this key (403): {said}",
        hint=f"check what the key in {variables} may use at {endpoint.host}, and --model",
    )


def _moved(error: Refused, endpoint: Endpoint) -> SqlagentError:
    there = error.headers.get("location", "")
    if not there:
        return ConnectError(f"{endpoint.host} moved ({error.status}), and does not say where", hint="check --base-url")
    target = urlsplit(urljoin(f"{endpoint.base_url}/chat/completions", there))
    if "login" in target.path.lower() or "auth" in target.path.lower() or "sso" in (target.hostname or ""):
        return AuthError(
            f"{endpoint.host} sends to a login page at {target.hostname}",
            hint="check --base-url: what answers there is for browsers",
        )
    path = re.sub(r"/chat/completions/?$", "", target.path)
    return ConnectError(
        f"{endpoint.host} moved to {target.hostname}, which nothing was sent to",
        hint=f"--base-url {target.scheme}://{target.netloc.rpartition('@')[2]}{path}",
    )


def _page(said: str, endpoint: Endpoint, status: str) -> ConnectError:
    proxy, variable = proxy_of(endpoint.base_url)
    through = f"the proxy {without_password(proxy)} or " if proxy else ""
    hint = f"check --base-url, and {variable}" if proxy else "check --base-url: that is not a model's server"
    return ConnectError(f"{through}{endpoint.host} answered with a web page ({status}): {said}", hint=hint)


def _proxy_login(endpoint: Endpoint) -> AuthError:
    proxy, variable = proxy_of(endpoint.base_url)
    return AuthError(
        f"the proxy {without_password(proxy)} wants a user and a password (407)",
        hint=f"{variable or 'HTTPS_PROXY'}=http://USER:PASSWORD@PROXY:PORT",
    )


def _unreadable(error: Unreadable, endpoint: Endpoint) -> SqlagentError:
    said = endpoint.masked(str(error))
    what = "a web page" if error.is_page else f'"{said}"' if said else "an empty body"
    return ModelError(
        f"{endpoint.host} does not speak the OpenAI chat protocol: it answered with {what}",
        hint="check --base-url (most servers want a URL that ends in /v1): sqlagent help servers",
    )


# ---- nobody was reached -----------------------------------------------------------------------------------------


def _unreached(error: Exception, endpoint: Endpoint, timeout: float, tried: int) -> SqlagentError:
    import httpx2

    chain, times = list(causes(error)), f" ({tried} tries)" if tried > 1 else ""
    proxy, variable = proxy_of(endpoint.base_url)
    for cause in chain:
        if isinstance(cause, httpx2.DecodingError):
            return ModelError(
                f"{endpoint.host} sent an answer that cannot be unpacked: {shortened(str(cause))}",
                hint="look at what stands between: a proxy or a gateway that compresses",
            )
        if isinstance(cause, ssl.SSLError):
            return _tls(cause, endpoint)
        if isinstance(cause, httpx2.ProxyError):
            return _proxy_refused(str(cause), endpoint)
    connecting = any(isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout) for cause in chain)
    if proxy and connecting:
        return ConnectError(
            f"the proxy {without_password(proxy)} that {variable} names does not answer",
            hint=f"unset {variable}, or NO_PROXY={urlsplit(endpoint.base_url).hostname}",
        )
    for cause in chain:
        if isinstance(cause, socket.gaierror):
            return ConnectError(
                f"there is no host {urlsplit(endpoint.base_url).hostname}: {shortened(cause.strerror or str(cause))}",
                hint="check --base-url, and the connection to the network",
            )
        if isinstance(cause, httpx2.ConnectTimeout):
            return ConnectError(
                f"{endpoint.host} could not be reached within {min(timeout or CONNECT_SECONDS, CONNECT_SECONDS):g} s",
                hint="check --base-url; behind a firewall the proxy is named by HTTPS_PROXY",
            )
        if isinstance(cause, httpx2.TimeoutException | TimeoutError):
            return ConnectError(
                f"the model at {endpoint.host} did not answer within {timeout:g} s",
                hint="ask again, or give it longer: --model-timeout 10m",
            )
        if _is_other_protocol(cause):
            return _other_protocol(endpoint)
    if not connecting and any(_is_drop(cause) for cause in chain):
        return ConnectError(
            f"{endpoint.host} closed the connection without an answer{times}",
            hint="look into the server's own log; or ask again",
        )
    unreachable = any(getattr(c, "errno", 0) in (errno.ENETUNREACH, errno.EHOSTUNREACH) for c in chain)
    return ConnectError(
        f"no model answers at {endpoint.host}{': the network does not reach it' if unreachable else ''}{times}",
        hint="is the server running; check --base-url, or use the embedded model: --model local",
    )


def _other_protocol(endpoint: Endpoint) -> ConnectError:
    plain = endpoint.base_url.startswith("http://")
    hint = f"--base-url https://{endpoint.host.partition('://')[2]}" if plain else "check the port in --base-url"
    return ConnectError(f"{endpoint.host} does not speak HTTP", hint=f"if it speaks https: {hint}" if plain else hint)


def _tls(error: ssl.SSLError, endpoint: Endpoint) -> ConnectError:
    name = urlsplit(endpoint.base_url).hostname
    why = str(getattr(error, "verify_message", "") or error.reason or error).lower().replace("_", " ")
    if isinstance(error, ssl.SSLCertVerificationError):
        if "mismatch" in why or "not valid for" in why:
            return ConnectError(f"the certificate of {name} is for another name: {shortened(why)}",
                                hint="check the name in --base-url")  # fmt: skip
        if "expired" in why or "not yet valid" in why:
            return ConnectError(f"the certificate of {name} is not valid today: {shortened(why)}",
                                hint="renew it on the server; or is the clock of this machine wrong")  # fmt: skip
        return ConnectError(
            f"the certificate of {name} is not from an authority that this machine trusts: {shortened(why)}",
            hint="SSL_CERT_FILE=ca.pem names your own authority's certificate",
        )
    if "wrong version number" in why or "record layer" in why or "http request" in why:
        return ConnectError(
            f"{endpoint.host} does not speak https", hint=f"--base-url http://{endpoint.host.partition('://')[2]}"
        )
    return ConnectError(
        f"no secure connection to {name}: {shortened(why)}", hint="check --base-url, and what the server's TLS wants"
    )


def _proxy_refused(said: str, endpoint: Endpoint) -> SqlagentError:
    if "407" in said:
        return _proxy_login(endpoint)
    proxy, variable = proxy_of(endpoint.base_url)
    return ConnectError(
        f"the proxy {without_password(proxy)} that {variable} names does not let through: {shortened(said)}",
        hint=f"unset {variable}, or NO_PROXY={urlsplit(endpoint.base_url).hostname}",
    )


def _dropped(error: Exception) -> bool:
    """Whether a connection that was there was lost; one that never came about is not worth another try."""
    import httpx2

    chain = list(causes(error))
    final = (httpx2.TimeoutException, httpx2.ProxyError, httpx2.ConnectError, ssl.SSLError)
    if any(isinstance(c, final) or _is_other_protocol(c) for c in chain):
        return False
    return any(_is_drop(c) for c in chain)


def _is_other_protocol(cause: BaseException) -> bool:
    """What came does not begin as HTTP does: TLS, or another service."""
    import httpx2

    return isinstance(cause, httpx2.RemoteProtocolError) and "illegal" in str(cause)


def _is_drop(cause: BaseException) -> bool:
    import httpx2

    return isinstance(cause, httpx2.ReadError | httpx2.WriteError | httpx2.RemoteProtocolError | ConnectionError)
