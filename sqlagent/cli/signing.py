"""Approval without a server: `plan` writes what waits, `approve` shows and signs it, `resume` takes it back."""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sqlagent.cli.call import Call
from sqlagent.cli.options import DATABASE, takes
from sqlagent.cli.session import conclude
from sqlagent.core.approval import plan as plans
from sqlagent.core.approval import signed as approvals
from sqlagent.core.approval.plan import Plan
from sqlagent.core.approval.seats import unfit
from sqlagent.core.errors import NeedsApproval, NotPermitted, Stale, StoreError, UsageError
from sqlagent.core.nouns.session import Choice, Proposal, Report
from sqlagent.plain_files import NotPlain, read_plain
from sqlagent.store import ssh_keygen
from sqlagent.store.identity import current_user
from sqlagent.ui.diagnostics import ExitCode
from sqlagent.ui.human import review
from sqlagent.ui.prompt import Ends, How, Retry, ask
from sqlagent.ui.screen import Input, Screen, can_prompt
from sqlagent.ui.visible import one_line

KEYS = ("id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa")
"""Of `~/.ssh`, the first that is there signs; one that wants a touch before one that does not."""

_READABLE = 16 * approvals.LARGEST
"""Bytes that are looked at where what is refused goes on record."""


@takes(DATABASE)
def plan(
    call: Call,
    thread: Annotated[str, typer.Argument(help="The session that waits.", show_default=False)],
    output: Annotated[str, typer.Option("-o", "--output", help="Write it to FILE.", metavar="FILE")] = "",
    rows: Annotated[bool, typer.Option("--rows", help="Include sample rows of the database.")] = False,
) -> ExitCode:
    """Write down what would be approved, to be shown and signed elsewhere.

    \b
    sqlagent plan k7f3 -o k7f3.plan.json
    sqlagent plan k7f3 --rows -o k7f3.plan.json
    """
    from sqlagent.service.plans import plan_of  # with the policy, which `approve` must do without

    found = plan_of(call.agent, thread)
    data = plans.written(found, rows=rows)
    asked = found.asked
    if not output:
        sys.stdout.buffer.write(data)
        return ExitCode.OK
    _write(Path(output), data, plans.FORMAT)
    if call.json:
        call.print_json({"thread": thread, "stage": asked.stage, "stages": asked.stages, "digest": asked.digest,
                         "file": output})  # fmt: skip
        return ExitCode.OK
    call.screen.line(f"wrote {one_line(output)}: stage {asked.stage} of {asked.stages}, digest {asked.digest}")
    call.screen.line(f"  next: sqlagent approve {one_line(output)}   where the key is")
    return ExitCode.OK


@takes()
def approve(
    call: Call,
    plan: Annotated[str, typer.Argument(help="The file that sqlagent plan wrote.", metavar="PLAN")],
    key: Annotated[
        str, typer.Option("--key", help="Private key, or a public one that the agent has.", metavar="FILE")
    ] = "",
    person: Annotated[str, typer.Option("--as", help="Your name in allowed_signers.", metavar="NAME")] = "",
    after: Annotated[
        list[str] | None, typer.Option("--after", help="The approval of the stage before.", metavar="FILE")
    ] = None,
    digest: Annotated[str, typer.Option("--digest", help="Sign exactly this digest, unasked.", metavar="DIGEST")] = "",
    output: Annotated[str, typer.Option("-o", "--output", help="[default: THREAD.approval]", metavar="FILE")] = "",
) -> ExitCode:
    """Show a plan, and sign it with your SSH key; needs no database and no store.

    \b
    sqlagent approve k7f3.plan.json
    sqlagent approve k7f3.plan.json --key ~/.ssh/id_ed25519_sk --as ana
    sqlagent approve k7f3.plan.json --after ana.approval -o ben.approval
    """
    said = [approvals.read(_contents(file, approvals.LARGEST)) for file in after or ()]
    found = plans.read(_contents(plan, plans.LARGEST)).after(said)
    asked, name = found.asked, person or current_user()
    if not approvals.is_person(name):
        raise UsageError(f"{one_line(name)} can be no name in allowed_signers", hint="--as NAME")
    screen = Screen(sys.stderr, env=os.environ)
    chosen = _agreed(call, asked, screen, unfit(asked, name), digest, plan)
    if chosen is not ExitCode.OK:
        return chosen
    return _signed(call, screen, asked, name, _key(key), Path(output or f"{asked.thread}.approval"))


def _agreed(call: Call, asked: Proposal, screen: Screen, why_not: str, digest: str, file: str) -> ExitCode:
    """OK where the person approves what is shown; else the code to end with."""
    if digest:
        if why_not:
            raise NotPermitted(why_not, hint="sign as yourself: --as NAME")
        wanted = digest.removeprefix("sha256:").replace(" ", "").lower()
        if len(wanted) < 12 or not asked.digest.startswith(wanted):
            raise Stale(
                f"{one_line(digest[:64])} is not what this plan asks for: {asked.digest} is",
                hint=f"look at it first: sqlagent approve {file}",
            )
        return ExitCode.OK
    if not can_prompt(sys.stdin, sys.stderr, Input.NEVER if call.json else Input.ALLOWED):
        screen.show(review(asked, columns=screen.columns))
        raise NeedsApproval(
            "a plan is signed by a person who has looked at it, and there is no terminal",
            hint=f"in a terminal: sqlagent approve {file}   or   --digest {asked.digest}",
        )
    answer = ask(asked, screen=screen, stdin=sys.stdin, retry=Retry.NOT_OFFERED, unfit=why_not, ends=Ends.SIGN)
    if answer.choice is Choice.APPROVE:
        return ExitCode.OK
    screen.line("  nothing was signed")
    if answer.choice is Choice.REJECT:
        screen.line(f"  whoever has the store rejects it: sqlagent resume {asked.thread} --reject WHY")
        return ExitCode.REJECTED
    return ExitCode.INTERRUPTED if answer.how is How.INTERRUPT else ExitCode.PENDING


def _signed(call: Call, screen: Screen, asked: Proposal, name: str, key: Path, output: Path) -> ExitCode:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    words = approvals.fields(asked.digest, asked.thread, asked.stage, asked.target, name, now)
    signature = ssh_keygen.sign(words.words, key, os.environ)
    done = approvals.read(approvals.with_signature(words, signature).text)
    _write(output, done.text.encode(), approvals.NAMESPACE)
    print_of = approvals.signing_key(done.signature).fingerprint
    if call.json:
        call.print_json({"thread": asked.thread, "stage": asked.stage, "stages": asked.stages, "digest": asked.digest,
                         "approver": name, "key": print_of, "file": str(output)})  # fmt: skip
        return ExitCode.OK
    shown = one_line(str(output))
    screen.line(f"wrote {shown}: stage {asked.stage} of {asked.stages}, signed as {name} with {print_of}")
    screen.line(f"  next: sqlagent resume {asked.thread} --approval {shown}   where it was asked")
    return ExitCode.OK


def _key(named: str) -> Path:
    if named:
        return Path(named).expanduser()
    folder = Path.home() / ".ssh"
    found = next((folder / name for name in KEYS if (folder / name).exists()), None)
    if found is None:
        raise UsageError(f"there is no key in {folder}", hint="--key FILE; or make one: ssh-keygen -t ed25519-sk")
    return found


def bring(call: Call, report: Report, files: list[str]) -> ExitCode:
    """Take signed approvals, one after the other, and print what became of each."""
    from sqlagent.service.plans import approve_signed  # as for `plan`

    for file in files:
        report = approve_signed(call.agent, report.thread, _contents(file, _READABLE))
    return conclude(call, report)


def still_fits(call: Call, file: str) -> ExitCode:
    """`sqlagent check --plan`: whether a plan could still be run as it was written."""
    from sqlagent.service.plans import misfit  # as for `plan`

    found: Plan = plans.read(_contents(file, plans.LARGEST))
    why, asked = misfit(call.agent, found), found.asked
    if call.json:
        call.print_json({"thread": asked.thread, "digest": asked.digest, "fits": not why, "because": why})
    elif why:
        raise Stale(
            f"{asked.thread} does not fit any more: {one_line(why)}", hint="ask for it anew, and have it signed"
        )
    else:
        call.screen.line(f"{asked.thread} fits {one_line(asked.target)}: digest {asked.digest}")
    return ExitCode.STALE if why else ExitCode.OK


# ---- files -----------------------------------------------------------------------------------------------------------


def _contents(name: str, largest: int) -> bytes:
    try:
        return read_plain(Path(name), largest)
    except NotPlain as e:
        raise UsageError(
            f"{one_line(name)} {e}", hint="name a file that sqlagent plan or sqlagent approve wrote"
        ) from e
    except (OSError, ValueError) as e:
        why = (getattr(e, "strerror", "") or str(e)).lower()
        raise UsageError(f"{one_line(name)} cannot be read: {why}", hint="name another file") from e


def _write(path: Path, data: bytes, mark: str) -> None:
    """Write a file of ours; a file that is there is written over only if it is of the same kind."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        with os.fdopen(handle, "r+b") as file:
            is_plain = stat.S_ISREG(os.fstat(handle).st_mode)
            head = file.read(200) if is_plain else b"?"
            if head and mark.encode() not in head:
                raise UsageError(f"{path} is there, and is another file", hint="name another: -o FILE")
            file.seek(0)
            file.truncate()
            file.write(data)
    except OSError as e:
        raise StoreError(f"{path} cannot be written: {(e.strerror or str(e)).lower()}", hint="-o FILE") from e
