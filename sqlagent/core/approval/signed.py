"""Approvals that are signed by SSH keys: the words that are signed, the file that carries them, and checking them.

A person signs the canonical JSON of what they approve; the file has the same facts and the signature.  Nothing in it is
believed: the words are put together anew from the facts, and the facts must be those of what is asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.session import Choice, Decision, Proposal

NAMESPACE = "sqlagent-approval-v1"
"""What `ssh-keygen -Y` signs for: a signature of a file, a commit or a mail is none of an approval."""
SIGNATURE = "signature"
"""`Decision.how` of an approval that came as a file, and the name of its door."""
LARGEST = 64_000
"""Bytes of an approval file; a certificate in it may be long."""
SKEW = 300.0
"""Seconds by which the clock of another machine may be off."""
_MAGIC = b"SSHSIG"
_TOUCHED = 1
"""The bit of a security key's flags that says that somebody touched it."""
_HEX = re.compile(r"[0-9a-f]{64}")
_THREAD = re.compile(r"[a-z0-9]{2,32}")
_PERSON = re.compile(r"[^\s,*?!\"-][^\s,*?!\"]{0,199}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+00:00", re.ASCII)
_ARMOUR = re.compile(
    r"-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END SSH SIGNATURE-----\n?", re.ASCII
)
_HINT = "have it signed anew: sqlagent approve PLAN"


@dataclass(frozen=True, slots=True)
class Signed:
    """What somebody signed for one seat of one proposal, and the signature."""

    digest: str
    thread: str
    stage: int
    choice: str
    target: str
    approver: str
    time: str
    """UTC, ISO 8601: what the clock of the approver's machine said."""
    signature: str
    """SSHSIG, in its armour."""

    @property
    def words(self) -> bytes:
        """The bytes that are signed: canonical JSON of all but the signature."""
        facts = {name: value for name, value in asdict(self).items() if name != SIGNATURE}
        return json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")

    @property
    def text(self) -> str:
        """The text of the file that carries the approval."""
        return json.dumps({"sqlagent": NAMESPACE, **asdict(self)}, indent=1, ensure_ascii=True) + "\n"

    @property
    def decision(self) -> Decision:
        """What it would be on record, if the store believes it: see `why_not`."""
        return Decision(Choice.APPROVE, self.digest, self.approver, SIGNATURE, signed=self.text)


@dataclass(frozen=True, slots=True)
class SignerFiles:
    """Who may sign: OpenSSH's own files, as a policy names them."""

    allowed: Path
    """`allowed_signers`: principals are people."""
    revoked: Path | None = None
    """A key revocation list, or a file of public keys, as `ssh-keygen -r` takes it."""
    where: str = ""
    """`policy.toml:3`."""


Check = Callable[[Signed, str], str]
"""Why a signature that came at this time proves nothing; empty where it is the person's."""


def nobody_signs(_signed: Signed, _at: str) -> str:
    """Where no policy names the file of those who may sign."""
    return "no policy names the allowed_signers"


def fields(digest: str, thread: str, stage: int, target: str, approver: str, time: str) -> Signed:
    """An approval that nobody has signed yet."""
    return Signed(digest, thread, stage, Choice.APPROVE.value, target, approver, time, "")


def with_signature(signed: Signed, signature: str) -> Signed:
    """The same, as its approver signed it."""
    return replace(signed, signature=signature)


# ---- reading, from anywhere ------------------------------------------------------------------------------------------


def read(data: bytes | str) -> Signed:
    """The approval that a file is; raises UsageError for anything else."""
    size = len(data)
    if size > LARGEST:
        raise _none(f"it has {size:,} bytes")
    try:
        found = json.loads(data, object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError) as e:
        raise _none(str(e) if isinstance(e, _Twice) else "it is not JSON, or a part of it is missing") from None
    return of_object(found)


def of_object(found: Any) -> Signed:
    """The approval that such an object is, of a file or of another program's answer; raises UsageError."""
    if type(found) is not dict or found.get("sqlagent") != NAMESPACE:
        raise _none(f'it does not begin with "sqlagent": "{NAMESPACE}"')
    facts = {name: value for name, value in found.items() if name != "sqlagent"}
    if missing := [name for name in Signed.__slots__ if name not in facts]:
        raise _none(f"it lacks {missing[0]}")
    if set(facts) != set(Signed.__slots__):
        raise _none("it says more than an approval does")
    for name, value in facts.items():
        if not _SOUND[name](value):
            raise _none(f"its {name} is none")
    signed = Signed(**facts)
    signing_key(signed.signature)
    return signed


def _text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= 4_000 and value.isprintable()


def _like(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: type(value) is str and pattern.fullmatch(value) is not None


_SOUND: dict[str, Callable[[object], bool]] = {
    "digest": _like(_HEX),
    "thread": _like(_THREAD),
    "stage": lambda value: type(value) is int and 1 <= value <= 1_000,
    "choice": lambda value: value in (Choice.APPROVE, Choice.REJECT),
    "target": _text,
    "approver": lambda value: is_person(value),
    "time": lambda value: type(value) is str and _TIME.fullmatch(value) is not None and _moment(value) is not None,
    "signature": _like(_ARMOUR),
}


def is_person(name: object) -> bool:
    """Whether it can be a principal of `allowed_signers` that means one person, and no pattern."""
    return type(name) is str and name.isprintable() and _PERSON.fullmatch(name) is not None


def _moment(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None


class _Twice(ValueError):
    """A JSON object names one key twice: two readers would see two approvals."""


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice("a name is in it twice")
    return found


def _no_number(_name: str) -> object:
    raise ValueError


def _none(why: str) -> UsageError:
    return UsageError(f"that is no approval: {why}", hint=_HINT)


# ---- the key ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """The key that a signature names as its own; only `ssh-keygen` says whether that is true."""

    fingerprint: str
    """`SHA256:...`, as ssh prints it."""
    untouched: bool = False
    """It is on a security key, which says that nobody touched it."""


def signing_key(signature: str) -> Key:
    """The key in an SSHSIG; raises UsageError where it is cut short or is none."""
    found = _ARMOUR.fullmatch(signature)
    try:
        raw = base64.b64decode(found[1].replace("\n", ""), validate=True) if found else b""
        if not raw.startswith(_MAGIC) or int.from_bytes(raw[6:10], "big") != 1:
            raise _none("its signature is none of ssh-keygen's")
        public, _space, _reserved, _hash, blob = _strings(raw[10:], 5)
        kind = next(_strings(public, 1))
    except ValueError:
        raise _none("its signature is cut short") from None
    fingerprint = base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")
    flags = blob[-5] if kind.startswith(b"sk-") and len(blob) > 5 else _TOUCHED
    return Key(f"SHA256:{fingerprint}", not flags & _TOUCHED)


def _strings(raw: bytes, count: int) -> Iterator[bytes]:
    """Strings as SSH writes them: four bytes of length, then the string."""
    at = 0
    for _ in range(count):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
        if at + 4 > len(raw) or end > len(raw):
            raise ValueError
        yield raw[at + 4 : end]
        at = end


# ---- does it fit -----------------------------------------------------------------------------------------------------


def misfit(signed: Signed, proposal: Proposal, at: str) -> str:
    """Why it is no approval of what is asked at the time that it came; empty where it is one."""
    if signed.thread != proposal.thread:
        return f"it was signed for {signed.thread}, and this is {proposal.thread}"
    if signed.target != proposal.target:
        return f"it was signed for {signed.target}, and this is {proposal.target}"
    if signed.stage != proposal.stage:
        return f"it was signed for stage {signed.stage}, and stage {proposal.stage} is asked"
    if signed.choice != Choice.APPROVE:
        return f"it says {signed.choice}, and only an approval is taken from a file"
    if signed.digest != proposal.digest:
        return f"it was signed for {signed.digest[:12]}, and {proposal.digest[:12]} is asked"
    said, began, came = (datetime.fromisoformat(t) for t in (signed.time, proposal.created_at, at))
    if said > came + timedelta(seconds=SKEW):
        return f"it says that it was signed at {signed.time}, which is yet to come: a clock is wrong"
    if said < began - timedelta(seconds=SKEW):
        return f"it says that it was signed at {signed.time}, before this was proposed: a clock is wrong"
    return ""


def why_not(proposal: Proposal, decision: Decision, check: Check, at: str) -> str:
    """Why a decision that says it is signed does not count for what is asked; empty where it does."""
    if decision.choice is not Choice.APPROVE:
        return "only an approval of the whole can be signed"
    try:
        signed = read(decision.signed)
    except UsageError as e:
        return e.message
    if signed.approver != decision.by or signed.digest != decision.digest:
        return f"{signed.approver} signed it for {signed.digest[:12]}, and it is given as another's"
    if why := misfit(signed, proposal, at):
        return why
    key = signing_key(signed.signature)
    if key.untouched:
        return "its security key was not touched"
    if other := next((a for a in proposal.approvals if a.key == key.fingerprint), None):
        return f"{other.by} signed stage {other.stage} with the same key"
    return check(signed, at)
