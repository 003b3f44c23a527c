"""From a server's address, as its provider's page has it, to the URL that requests go to."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from sqlagent.core.errors import UsageError

AZURE_API_VERSION = "2024-10-21"
"""Of Azure's older style, where the address names none."""

_AZURE_HOSTS = (".openai.azure.com", ".openai.azure.us", ".openai.azure.cn", ".services.ai.azure.com",
                ".cognitiveservices.azure.com")  # fmt: skip
_PATHS = {
    "openrouter.ai": "/api/v1",
    "generativelanguage.googleapis.com": "/v1beta/openai",
    "api.groq.com": "/openai/v1",
    "api.fireworks.ai": "/inference/v1",
    "api.cohere.ai": "/compatibility/v1",
    "api.cohere.com": "/compatibility/v1",
    "api.perplexity.ai": "",
    "api.deepinfra.com": "/v1/openai",
    "open.bigmodel.cn": "/api/paas/v4",
    "api.z.ai": "/api/paas/v4",
    "ark.cn-beijing.volces.com": "/api/v3",
    "dashscope.aliyuncs.com": "/compatible-mode/v1",
    "dashscope-intl.aliyuncs.com": "/compatible-mode/v1",
    "models.github.ai": "/inference",
}
"""Where the chat protocol is on hosts that have it elsewhere than under /v1."""
_CALLS = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|models(?:/[^/]+:(?:stream)?generateContent)?"
    r"|messages|generate(?:_stream)?|api/(?:chat|generate|tags|v0|ps|version)|docs|props|health|slots)/?$",
    re.IGNORECASE,
)
"""What stands behind the address in an example call: ours is put there instead."""
_OLLAMA_PORT = 11434
_DEPLOYMENT = re.compile(r"(?P<base>.*/deployments/(?P<name>[^/]+))(?:/.*)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL, and the path and query that some providers want beside it."""

    base_url: str
    query: tuple[tuple[str, str], ...] = ()
    """Sent with every request, such as Azure's `api-version`."""
    model: str = ""
    """The model that the address itself names: a deployment of Azure's older style."""
    is_azure: bool = False
    """The key is expected in `api-key`."""
    bare: str = ""
    """The same without the /v1 that was added here, for a gateway that has none."""


def read(text: str) -> Address:
    """The address that a person copied.  Raises `UsageError` for what cannot be one."""
    text = text.strip().strip("\"'<>").strip()
    if not text:
        return Address("")
    if not re.match(r"https?://", text, re.IGNORECASE):
        raise _without_scheme(text)
    try:
        url = urlsplit(text)
        usable = bool(url.hostname) and url.port != 0 and not re.search(r"[\s\x00-\x1f]", url.netloc)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{text} is no address of a server", hint="--base-url http://localhost:11434/v1")
    if _is_azure(url):
        return _azure(url)
    if url.path.rstrip("/").lower().endswith("/anthropic"):
        raise UsageError(
            f"{text} is for Anthropic's protocol, and sqlagent speaks OpenAI's",
            hint=f"--base-url {_joined(url, url.path.rstrip('/')[: -len('/anthropic')])}",
        )
    return _plain(url)


def is_loopback(base_url: str) -> bool:
    """Whether it is this machine, however its address is written: that never passes a proxy."""
    try:
        host = (urlsplit(base_url).hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f.1 and 2130706433 are addresses too
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or address.is_unspecified


def _plain(url: SplitResult) -> Address:
    path = url.path.rstrip("/")
    while found := _CALLS.search(path):
        path = path[: found.start()].rstrip("/")
    host = (url.hostname or "").lower()
    if path.lower() == "/api" and (url.port == _OLLAMA_PORT or host == "ollama.com"):
        path = ""  # its own protocol; OpenAI's is beside it
    query = tuple(parse_qsl(url.query))
    if path in ("", "/v1beta") and host in _PATHS:
        return Address(_joined(url, _PATHS[host]), query)
    if not path:
        return Address(_joined(url, "/v1"), query, bare=_joined(url, ""))
    return Address(_joined(url, path), query)


# ---- Azure ------------------------------------------------------------------------------------------------------


def _is_azure(url: SplitResult) -> bool:
    return (url.hostname or "").lower().endswith(_AZURE_HOSTS) or "/openai/deployments/" in url.path.lower()


def _azure(url: SplitResult) -> Address:
    """`.../openai/deployments/NAME?api-version=...`, the older style, or `.../openai/v1`, which needs neither."""
    query = dict(parse_qsl(url.query))
    if found := _DEPLOYMENT.match(url.path):
        query.setdefault("api-version", AZURE_API_VERSION)
        return Address(_joined(url, found["base"]), tuple(query.items()), model=found["name"], is_azure=True)
    if "/api/projects" in url.path.lower():
        raise UsageError(
            f"{url.geturl()} is the address of an Azure project, which has no chat of OpenAI's protocol",
            hint=f"--base-url {_joined(url, '/openai/v1')} --model DEPLOYMENT",
        )
    if url.path.lower().startswith("/models"):  # Azure's model inference, its own path and version
        query.setdefault("api-version", "2024-05-01-preview")
        return Address(_joined(url, "/models"), tuple(query.items()), is_azure=True)
    return Address(_joined(url, "/openai/v1"), (), is_azure=True)


def _joined(url: SplitResult, path: str) -> str:
    """The address with this path, on a host that can be asked: a server that listens everywhere is on this machine."""
    host = url.netloc
    if url.hostname in ("0.0.0.0", "::"):  # noqa: S104 - what a server prints, not what we listen on
        host = host.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
    return f"{url.scheme.lower()}://{host}{path}"


def _without_scheme(text: str) -> UsageError:
    if "://" in text:
        return UsageError(f"the base URL {text} does not start with http:// or https://", hint=_FOR_EXAMPLE)
    scheme = "http" if is_loopback(f"http://{text}") or re.match(r"[^/]*:\d+", text) else "https"
    return UsageError(
        f"the base URL {text} does not start with http:// or https://", hint=f"--base-url {scheme}://{text}"
    )


_FOR_EXAMPLE = "for a server on this machine: --base-url http://localhost:11434/v1"
