"""A state folder that anybody else can write, read or replace is refused, with how to mend it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_shop import Shop

from sqlagent.core.errors import NotPrivate
from sqlagent.store import private


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "state"
    private.make_folder(folder)
    return folder


def refused(folder: Path) -> NotPrivate:
    with pytest.raises(NotPrivate, match="is not yours alone") as caught:
        private.make_folder(folder)
    return caught.value


def test_it_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private.make_folder(tmp_path / "a" / "b" / "state")
        os.close(private.open_file(tmp_path / "a" / "b" / "state" / "journal.db", os.O_RDWR))
    finally:
        os.umask(before)
    modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.rglob("*")}
    assert modes == {"a": 0o700, "b": 0o700, "state": 0o700, "journal.db": 0o600}


@pytest.mark.parametrize("mode", [0o770, 0o2770, 0o777, 0o1777, 0o755, 0o710, 0o702])
def test_a_folder_of_several_people_is_refused(state: Path, mode: int) -> None:
    state.chmod(mode)
    assert refused(state).hint == f"chmod 700 {state}"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o703])
def test_so_is_one_below_a_folder_that_others_can_write_sticky_or_not(state: Path, mode: int) -> None:
    state.parent.chmod(mode)
    assert refused(state).hint.startswith(f"chmod go-w {state.parent}   ")


@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db-journal", "policy.toml", "locks", "anything"])
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_so_is_one_with_a_file_that_others_can_write(state: Path, name: str, mode: int) -> None:
    (state / name).touch()
    (state / name).chmod(mode)
    assert f"others can write {name} in it" in refused(state).message


@pytest.mark.parametrize("name", ["journal.db", "checkpoints.db-journal", "policy.toml", "kept"])
def test_so_is_one_with_a_link_in_it(state: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").touch()
    (state / name).symlink_to(tmp_path / "elsewhere")
    assert f"{name} in it is a link" in refused(state).message


def test_so_is_a_link_to_one(state: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(state)
    assert "it is a link" in refused(tmp_path / "link").message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", ["state", "home", "file"])
def test_so_is_what_belongs_to_somebody_else(state: Path, what: str) -> None:
    (state / "journal.db").touch(mode=0o600)
    os.chown({"state": state, "home": state.parent, "file": state / "journal.db"}[what], 4711, -1)
    assert "belongs to user 4711" in refused(state).message


def test_a_copy_that_was_put_back_is_made_private_again(state: Path) -> None:
    (state / "journal.db").touch(mode=0o644)
    private.make_folder(state)
    assert (state / "journal.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "arguments",
    [("pending",), ("sessions",), ("show", "k7f3"), ("audit", "verify"), ("run", "--sql", "DELETE FROM orders"),
     ("resume", "k7f3"), ("undo", "k7f3"), ("examples", "list")],
)  # fmt: skip
def test_every_command_says_so_and_exits_3(shop: Shop, arguments: tuple[str, ...]) -> None:
    shop.state.mkdir(parents=True)
    shop.state.chmod(0o770)
    ran = shop.run(*arguments)
    assert ran.code == 3
    assert ran.error == (
        f"the state folder {shop.state} is not yours alone: others can get into it (0770)", f"chmod 700 {shop.state}",
    )  # fmt: skip
    assert list(shop.state.iterdir()) == []


def test_doctor_says_it_too(shop: Shop) -> None:
    shop.state.mkdir(parents=True)
    shop.state.chmod(0o777)
    assert f"  hint: chmod 700 {shop.state}" in shop.run("doctor").text.splitlines()
