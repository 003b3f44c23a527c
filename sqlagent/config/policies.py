"""Policy files: what a person decided once, read, checked and put together.

A file has `[[rule]]` tables, `[roles]` and a `timezone`.  Files add up: of all rules the strictest counts, wherever
they stand.  A file that a project's sqlagent.toml names may only tighten: what it allows has no effect, its roles are
for its own rules, and of a role that the user defines too the user's word counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from difflib import get_close_matches
from pathlib import Path

from sqlagent.config import files
from sqlagent.config.conditions import Scope, said, texts
from sqlagent.config.files import PolicyFile, Problem
from sqlagent.config.kinds import Wrong
from sqlagent.config.rules import Source, rule
from sqlagent.config.stages import can_fill
from sqlagent.core.approval.signed import SignerFiles
from sqlagent.core.policy import Allow, Ask, Deny, Origin, Policy, Rule
from sqlagent.plain_files import NotPlain, read_plain

FILE_KEYS = ("rule", "roles", "timezone", "allowed_signers", "revoked_keys")
Roles = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Book:
    """The rules of all policy files together, and what is wrong with them."""

    rules: tuple[Rule, ...] = ()
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    timezone: str = "UTC"
    """Of the first of the user's files; each rule keeps to that of its own."""
    files: tuple[PolicyFile, ...] = ()
    signers: SignerFiles | None = None
    """Who may sign: the machine's word before the user's, and the user's before a project's."""
    notes: tuple[str, ...] = ()
    """What is no mistake and still surprises."""
    problems: tuple[Problem, ...] = ()

    def policy(self, defaults: Policy) -> Policy:
        """A policy with these rules."""
        return replace(defaults, rules=self.rules, roles=self.roles, timezone=self.timezone)


def read(named: Sequence[PolicyFile], cwd: Path) -> Book:
    """The rules of all files; raises `ConfigError` with the first problem, for half a policy is none."""
    book = gather(named, cwd)
    if book.problems:
        raise book.problems[0].error()
    return book


def gather(named: Sequence[PolicyFile], cwd: Path) -> Book:
    """The rules of all files, and every problem, file by file."""
    chosen = _each_once(named)
    if not chosen:
        return Book()
    unread: list[Problem] = []
    sources = [source for each in chosen if (source := _open(each, cwd, unread))]
    mine = [s for s in sources if s.origin is not Origin.PROJECT]
    roles: dict[Origin, dict[str, tuple[str, ...]]] = {}
    everybody: dict[str, tuple[str, ...]] = {}
    for origin in (Origin.SYSTEM, Origin.USER, Origin.PROJECT):  # whoever comes first says who holds a role
        everybody = roles[origin] = _roles([s for s in sources if s.origin is origin], everybody)
    rules = [r for s in sources for r in _rules(s, roles[s.origin])]
    _unique(rules, sources)
    zones = [zone for s in mine if isinstance(zone := s.file.data.get("timezone"), str)]
    signers = _signers(sources, rules)
    problems = (*unread, *(p for s in sources for p in sorted(s.problems, key=lambda p: p.line)))
    return Book(tuple(rules), everybody, (zones or ["UTC"])[0], tuple(chosen), signers, tuple(_notes(rules)), problems)


def _each_once(named: Iterable[PolicyFile]) -> list[PolicyFile]:
    """A file that the user names is the user's, though a project names it too."""
    found: dict[str, PolicyFile] = {}
    for each in sorted(named, key=lambda f: f.origin is Origin.PROJECT):
        found.setdefault(os.path.realpath(each.path), each)  # `resolve` gives up where links go in a circle
    return list(found.values())


def _open(named: PolicyFile, cwd: Path, problems: list[Problem]) -> Source | None:
    match files.read(named.path, project=named.origin is Origin.PROJECT, cwd=cwd):
        case Problem() as problem:
            hint = problem.hint if problem.line else _nearest_file(named) or f"it is named by {named.named_by}"
            problems.append(replace(problem, file=named.label, hint=hint))
            return None
        case file:
            source = Source(file, named.label, named.origin)
            source.known(file.data, FILE_KEYS, ())
            return source


def _nearest_file(named: PolicyFile) -> str:
    """The file that may have been meant, of those beside it; empty where it is there, or none is near."""
    folder = named.path.parent
    try:
        there = [] if named.path.exists() else sorted(each.name for each in folder.glob("*.toml"))
    except OSError:
        return ""
    found = get_close_matches(named.path.name, there, n=1, cutoff=0.5) or [n for n in there if n == "policy.toml"]
    return f"did you mean {Path(named.label).parent / found[0]}?" if found else ""


def _roles(sources: Sequence[Source], known: Roles) -> dict[str, tuple[str, ...]]:
    """Roles and who holds them: those known already stand, and nobody defines one twice."""
    found, places = dict(known), dict[str, str]()
    for source in sources:
        table = source.file.data.get("roles", {})
        if not isinstance(table, dict):
            source.wrong(("roles",), "roles must be a table", '[roles] and below it dba = ["ana", "ben"]')
            continue
        for role, people in table.items():
            path = ("roles", role)
            try:
                who = texts(people, f'{role} = ["ana", "ben"]')
            except Wrong as wrong:
                source.wrong(path, f"role {role} {wrong.message}", wrong.hint)
                continue
            if role in places:
                message = f"role {role} is defined in {places[role]} too"
                source.wrong(path, message, "name all who hold it in one place")
            places[role] = f"{source.label}:{source.line(path)}"
            if role not in known:
                found[role] = who
    return found


def _signers(sources: Sequence[Source], rules: Sequence[Rule]) -> SignerFiles | None:
    """The files of the first origin that names any; each rule that wants signatures needs one of its own or before."""
    for origin in (Origin.SYSTEM, Origin.USER, Origin.PROJECT):
        naming = [s for s in sources if s.origin is origin and {"allowed_signers", "revoked_keys"} & s.file.data.keys()]
        for other in naming[1:]:
            other.wrong(("allowed_signers",), f"{naming[0].label} says who may sign", "name the file in one place")
        if naming:
            return _signer_files(naming[0])
        for source in (s for s in sources if s.origin is origin):
            for each in rules:
                asks = each.where.rpartition(":")[0] == source.label and isinstance(each.then, Ask)
                if asks and isinstance(each.then, Ask) and any(stage.signed for stage in each.then.stages):
                    line, hint = int(each.where.rpartition(":")[2]), 'allowed_signers = "allowed_signers"'
                    message = f"{each.id} wants signatures, and no policy says who may sign"
                    source.problems.append(Problem(source.label, line, "allowed_signers", message, hint))
    return None


def _signer_files(source: Source) -> SignerFiles | None:
    named: dict[str, Path] = {}
    for key in ("allowed_signers", "revoked_keys"):
        value = source.file.data.get(key)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            source.wrong((key,), f"{key} must name a file, not {said(value)}", f'{key} = "{key}"')
            continue
        path = source.file.path.parent / Path(value).expanduser()
        if why := _unreadable(path):
            source.wrong((key,), f"{path} {why}", "man ssh-keygen, ALLOWED SIGNERS, says what is in it")
        else:
            named[key] = path
    if "allowed_signers" not in source.file.data:
        source.wrong(("revoked_keys",), "revoked_keys without allowed_signers", 'allowed_signers = "allowed_signers"')
    allowed = named.get("allowed_signers")
    where = f"{source.label}:{source.line(('allowed_signers',))}"
    return SignerFiles(allowed, named.get("revoked_keys"), where) if allowed else None


def _unreadable(path: Path) -> str:
    try:
        read_plain(path, files.LARGEST)
    except NotPlain as e:
        return str(e)
    except OSError as e:
        return f"cannot be read: {(e.strerror or str(e)).lower()}"
    return ""


def _rules(source: Source, roles: Roles) -> Iterator[Rule]:
    scope = Scope(roles, _zone(source))
    tables = source.file.data.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        source.wrong(("rule",), "rule must be tables", "[[rule]] and below it id, when, then")
        return
    for place, table in enumerate(tables, 1):
        if made := rule(table, ("rule", str(place)), scope, source):
            yield made


def _zone(source: Source) -> tzinfo:
    from zoneinfo import ZoneInfo  # 4 ms that a person without a policy need not spend

    value = source.file.data.get("timezone", "UTC")
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        source.wrong(("timezone",), f"timezone is none that is known here: {said(value)}", 'such as "Europe/Berlin"')
        return ZoneInfo("UTC")


def _unique(rules: Sequence[Rule], sources: Sequence[Source]) -> None:
    """A verdict names a rule by its id, and a person must find it."""
    first: dict[str, Rule] = {}
    for each in rules:
        other = first.setdefault(each.id, each)
        if other is not each:
            file, _, line = each.where.rpartition(":")
            source = next(s for s in sources if s.label == file)
            problem = Problem(file, int(line), "id", f"{each.id} is the id of {other.where} too", "give it another id")
            source.problems.append(problem)


# ---- what surprises --------------------------------------------------------------------------------------------


def _notes(rules: Sequence[Rule]) -> Iterator[str]:
    for each in rules:
        at = f"{each.where}: {each.id}"
        if isinstance(each.then, Allow) and each.origin is Origin.PROJECT:
            yield f"{at} has no effect: a project's file may not allow"
        elif isinstance(each.then, Allow) and "environment" in each.when:
            yield f"{at} allows by environment, which is what a process says of itself"
        if stronger := next((r for r in rules if _covers(r, each)), None):
            yield f"{at} never counts: {stronger.id} [{stronger.where}] is stricter wherever it matches"
        if isinstance(each.then, Ask):
            stages = each.then.stages
            for person in sorted({p for s in stages for p in s.who or () if s.not_requester}):
                if not can_fill(stages, without=person):
                    yield f"{at}: too few are left to approve what {person} asks for"


_STRICTNESS = {Allow: 0, Ask: 1, Deny: 2}


def _covers(stronger: Rule, weaker: Rule) -> bool:
    """Whether one rule fires wherever the other does and beats it, so that the other never counts."""
    if _STRICTNESS[type(stronger.then)] <= _STRICTNESS[type(weaker.then)]:
        return False
    return all(name in weaker.when and weaker.when[name] == wanted for name, wanted in stronger.when.items())
