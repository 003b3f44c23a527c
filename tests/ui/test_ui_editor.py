"""The person's own editor, as real programs, and through the prompt on a real terminal."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from ui_builders import CANCEL, a_proposal, a_statement
from ui_terminal import Terminal

from sqlagent.ui.editor import NoEdit, edited, paged


class Editor:
    """A program that does `act` to the file it is given, and notes what it found there."""

    def __init__(self, folder: Path, act: str) -> None:
        self.notes = folder / "notes.json"
        self.path = folder / "my editor.py"
        self.path.write_text(
            f"#!{sys.executable}\n"
            "import json, os, pathlib, stat, sys\n"
            "path = pathlib.Path(sys.argv[-1])\n"
            "text = path.read_bytes().decode()\n"
            f"notes = pathlib.Path({str(self.notes)!r})\n"
            "mode = stat.S_IMODE(path.stat().st_mode)\n"
            "notes.write_text(json.dumps([path.name, mode, text, sys.argv[1:-1], os.isatty(1)]))\n"
            f"{act}\n"
        )
        self.path.chmod(0o755)
        self.command = f"'{self.path}'"

    @property
    def found(self) -> list[object]:
        return list(json.loads(self.notes.read_text()))


LONGER = "path.write_text(text.replace('-1 year', '-2 years'))"


@pytest.fixture
def device(tmp_path: Path) -> io.TextIOWrapper:
    """Where an editor's own output goes."""
    return (tmp_path / "screen").open("w")


def edit(editor: Editor, device: io.TextIOWrapper, *, sql: str = CANCEL, question: str = "cancel old orders") -> str:
    proposal = a_proposal(a_statement(sql), question=question)
    return edited(proposal, terminal=device, env={"VISUAL": editor.command, "EDITOR": "false"})


def test_an_edit_is_the_text_without_our_comment(tmp_path: Path, device: io.TextIOWrapper) -> None:
    editor = Editor(tmp_path, LONGER)
    assert edit(editor, device) == CANCEL.replace("-1 year", "-2 years")
    assert editor.found == ["k7f3.sql", 0o600, f"-- cancel old orders\n{CANCEL}", [], False]


def test_a_question_of_several_lines_is_all_comment(tmp_path: Path, device: io.TextIOWrapper) -> None:
    editor = Editor(tmp_path, LONGER)
    assert edit(editor, device, question="one\nDROP TABLE t;\x1b[2J") == CANCEL.replace("-1 year", "-2 years")
    assert str(editor.found[2]).startswith("-- one\n-- DROP TABLE t;⟨U+001B⟩[2J\nUPDATE")


def test_the_person_s_own_comment_stays(tmp_path: Path, device: io.TextIOWrapper) -> None:
    editor = Editor(tmp_path, "path.write_text('-- mine\\n' + text)")
    assert edit(editor, device).startswith("-- mine\n-- cancel old orders\nUPDATE")


def test_a_comment_of_the_sql_s_own_is_no_edit_of_it(tmp_path: Path, device: io.TextIOWrapper) -> None:
    with pytest.raises(NoEdit, match="nothing was changed"):
        edit(Editor(tmp_path, ""), device, sql="-- cancel old orders\n" + CANCEL)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("", "nothing was changed"),
        ("path.write_text(text + '\\n')", "nothing was changed"),
        ("path.write_text('')", "came back empty"),
        ("path.write_text('-- cancel old orders\\n\\n')", "came back empty"),
        ("path.unlink()", "left no file"),
        ("path.write_bytes(b'\\xff\\xfe')", "not UTF-8"),
        (LONGER + "; sys.exit(1)", "the editor failed with 1"),
        ("os.kill(os.getpid(), 9)", "the editor failed with -9"),
    ],
)
def test_what_is_no_edit_says_why(tmp_path: Path, device: io.TextIOWrapper, act: str, why: str) -> None:
    with pytest.raises(NoEdit, match=why):
        edit(Editor(tmp_path, act), device)


@pytest.mark.parametrize(
    ("command", "why"), [("no-such-editor-anywhere", "cannot be started"), ("'unbalanced", "cannot be read")]
)
def test_an_editor_that_cannot_be_had_is_said(device: io.TextIOWrapper, command: str, why: str) -> None:
    with pytest.raises(NoEdit, match=why):
        edited(a_proposal(), terminal=device, env={"EDITOR": command})


@pytest.mark.parametrize("text", ["SELECT 'größer 漢字'", "SELECT 1\r\nFROM t"])
def test_text_of_any_kind_survives_the_editor(tmp_path: Path, device: io.TextIOWrapper, text: str) -> None:
    editor = Editor(tmp_path, "path.write_bytes(path.read_bytes() + b' -- x')")
    assert edit(editor, device, sql=text) == text + " -- x"


def test_even_a_lone_surrogate_comes_back_unchanged(device: io.TextIOWrapper) -> None:
    with pytest.raises(NoEdit, match="nothing was changed"):
        edited(a_proposal(a_statement("SELECT '\udcff'")), terminal=device, env={"EDITOR": "true"})


def test_the_nearest_name_of_an_editor_wins_with_its_arguments(tmp_path: Path, device: io.TextIOWrapper) -> None:
    editor = Editor(tmp_path, LONGER)
    env = {"SQLAGENT_EDITOR": f"{editor.command} --wait '-c set ft=sql'", "VISUAL": "false", "EDITOR": "false"}
    edited(a_proposal(), terminal=device, env=env)
    assert editor.found[3] == ["--wait", "-c set ft=sql"]


def test_an_editor_draws_on_the_screen_and_not_among_the_rows(
    tmp_path: Path, device: io.TextIOWrapper, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(Editor(tmp_path, LONGER + "; print('drawn')"), device)
    assert capfd.readouterr().out == ""
    assert (tmp_path / "screen").read_text() == "drawn\n"


def test_a_full_disk_is_no_edit_and_says_so(device: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    with pytest.raises(NoEdit, match="no temporary file for the editor: No such file or directory"):
        edited(a_proposal(), terminal=device, env={"EDITOR": "true"})


def test_no_file_is_left_behind(tmp_path: Path, device: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    edit(Editor(tmp_path, LONGER), device)
    assert list(scratch.iterdir()) == []


def test_an_edit_at_the_prompt_is_an_answer_and_says_what_it_means(tmp_path: Path) -> None:
    editor = Editor(tmp_path, LONGER)
    terminal = Terminal("severe", VISUAL=editor.command).type("e")
    terminal.see("edited: 1 line changed; you are now its author, and earlier approvals are void")
    terminal.see("checking again ...")
    assert terminal.answer() == f"edit key {CANCEL.replace('-1 year', '-2 years')!r} '' False ()"
    assert editor.found[4] is True


@pytest.mark.parametrize("act", ["", "path.write_text('')", "sys.exit(3)"])
def test_no_edit_at_the_prompt_asks_again(tmp_path: Path, act: str) -> None:
    terminal = Terminal("severe", VISUAL=Editor(tmp_path, act).command).type("e").see("k7f3 is as it was").type("l")
    assert terminal.answer().startswith("later key")


def test_ctrl_c_in_the_editor_is_the_editor_s(tmp_path: Path) -> None:
    waits = """import signal
try:
    print('EDITING', flush=True)
    signal.pause()
except KeyboardInterrupt:
    sys.exit(0)"""
    terminal = Terminal("severe", VISUAL=Editor(tmp_path, waits).command).type("e").see("EDITING")
    terminal.child.sendintr()
    terminal.see("nothing was changed").type("l")
    assert terminal.answer().startswith("later key")


def test_a_pager_gets_less_s_usual_options_and_no_shell(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\ncat; echo "$LESS $LESSSECURE"\n')
    pager.chmod(0o755)
    with (tmp_path / "screen").open("w") as device:
        assert paged("the text\n", terminal=device, env={"PAGER": str(pager), "PATH": "/usr/bin:/bin"})
    assert (tmp_path / "screen").read_text() == "the text\nFRX 1\n"
