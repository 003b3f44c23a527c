"""What the embedded model has read is kept on disk: keyed, private, bounded, and never trusted when damaged."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sqlagent.llm import prefixes
from sqlagent.llm.prefixes import Prefixes


@dataclass
class Runtime:
    """llama.cpp's two actions on a slot, on a folder."""

    folder: Path
    asked: list[tuple[str, str]] = field(default_factory=list)
    size: int = 1000
    works: bool = True

    def post(self, path: str, body: dict[str, Any]) -> bool:
        action = path.partition("action=")[2]
        self.asked.append((action, body["filename"]))
        if action == "save" and self.works:
            (self.folder / body["filename"]).write_bytes(b"x" * self.size)
        return self.works

    def restored(self) -> list[str]:
        return [name for action, name in self.asked if action == "restore"]


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(tmp_path / "read")


def after_a_start(runtime: Runtime, number: float = 1.0) -> Prefixes:
    return Prefixes(runtime.folder, runtime.post, number)


def test_a_prompt_that_was_read_before_the_start_is_taken_up_again(runtime: Runtime) -> None:
    after_a_start(runtime, 1.0).keep("rules and shop")
    after_a_start(runtime, 2.0).recall("rules and shop")
    assert runtime.restored() == [f"{prefixes._name('rules and shop')}.bin"]


def test_what_the_server_has_in_memory_is_not_read_from_disk(runtime: Runtime) -> None:
    memory = after_a_start(runtime)
    memory.keep("rules and shop")
    memory.recall("rules and shop")
    memory.keep("rules and shop")
    assert [action for action, _ in runtime.asked] == ["save"]


def test_a_new_database_takes_up_the_rules_of_another_after_a_start_and_only_then(runtime: Runtime) -> None:
    after_a_start(runtime, 1.0).keep("rules and shop")
    later = after_a_start(runtime, 2.0)
    later.recall("rules and music")
    assert runtime.restored() == [f"{prefixes._name('rules and shop')}.bin"]
    later.keep("rules and music")
    later.recall("rules and a third")
    assert len(runtime.restored()) == 1


@pytest.mark.parametrize("damage", ["shorter", "other bytes", "no seal", "a seal of something else"])
def test_a_damaged_file_is_deleted_and_never_given_to_the_server(runtime: Runtime, damage: str) -> None:
    """llama.cpp ends at one that is cut short."""
    after_a_start(runtime, 1.0).keep("rules and shop")
    (file,) = runtime.folder.glob("*.bin")
    (seal,) = (f for f in runtime.folder.glob("*.json") if f.stem == file.stem)
    match damage:
        case "shorter":
            file.write_bytes(b"x" * 10)
        case "other bytes":
            file.write_bytes(b"y" * 1000)
        case "no seal":
            seal.unlink()
        case _:
            seal.write_text('{"size": 1000, "sha256": 7}')
    after_a_start(runtime, 2.0).recall("rules and shop")
    assert runtime.restored() == []
    assert not file.exists()


def test_the_longest_unused_goes_first(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(prefixes, "LARGEST", 2500)
    memory = after_a_start(runtime)
    for number, system in enumerate(["first", "second", "third"]):
        memory.keep(system)
        if (file := runtime.folder / f"{prefixes._name(system)}.bin").exists():
            os.utime(file, (number, number))
    kept = {file.stem for file in runtime.folder.glob("*.bin")}
    assert kept == {prefixes._name("second"), prefixes._name("third")}
    assert not (runtime.folder / f"{prefixes._name('first')}.json").exists()


def test_a_server_that_does_not_save_leaves_nothing_behind(runtime: Runtime) -> None:
    runtime.works = False
    after_a_start(runtime).keep("rules and shop")
    assert [file.name for file in runtime.folder.iterdir()] == ["read.json"]


def test_the_folder_is_for_its_owner_alone(runtime: Runtime) -> None:
    after_a_start(runtime).keep("rules and shop")
    assert stat.S_IMODE(runtime.folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_costs_only_the_shortcut(runtime: Runtime) -> None:
    runtime.folder.write_text("a file is in the way")
    memory = after_a_start(runtime)
    memory.recall("rules and shop")
    memory.keep("rules and shop")
    assert runtime.folder.read_text() == "a file is in the way"
