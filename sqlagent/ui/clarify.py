"""Puts to a person what the model asks back.  No answer leaves it pending."""

from __future__ import annotations

from typing import TextIO

from sqlagent.core.nouns.draft import Clarification
from sqlagent.ui.keyboard import Keyboard, NothingTyped, say_it_waits, signals_leave_it_pending
from sqlagent.ui.layout import Block, Line, paragraph
from sqlagent.ui.screen import Screen
from sqlagent.ui.visible import one_line

LATER = "l"


def question(thread: str, asked: Clarification, *, columns: int) -> Block:
    """What is asked, and the answers that are offered, numbered."""
    lines: list[Line] = [*paragraph(f"{one_line(thread)} asks: {asked.question}", columns, first="", rest="  ")]
    for number, choice in enumerate(asked.choices, 1):
        lines += paragraph(f"{number}  {one_line(choice)}", columns, first="    ", rest="       ")
    return Block(tuple(lines))


def keys(asked: Clarification) -> str:
    """What can be typed here."""
    many = len(asked.choices)
    numbers = f"[1{f'-{many}' if many > 1 else ''}] choose, or " if many else ""
    return f"  {numbers}type an answer  [l] later"


def put(thread: str, asked: Clarification, *, screen: Screen, stdin: TextIO) -> tuple[str, str]:
    """The answer in words and how it was given (`key`, `typed`), or an empty one and how that came to be.

    Without an answer it says how to come back.
    """
    try:
        with signals_leave_it_pending():
            answer, how = _answered(thread, asked, screen, Keyboard(stdin))
    except NothingTyped as nothing:
        answer, how = "", str(nothing)
    except OSError:  # the screen cannot be written: the terminal was closed
        answer, how = "", "hangup"
    if not answer:
        say_it_waits(thread, screen, how)
    return answer, how


def _answered(thread: str, asked: Clarification, screen: Screen, keyboard: Keyboard) -> tuple[str, str]:
    screen.show(question(thread, asked, columns=screen.columns))
    while True:
        screen.line(keys(asked))
        keyboard.forget()
        screen.ask("  > ")
        typed = keyboard.line()
        if typed == "":
            return "", "enter"
        if typed.lower() == LATER:
            return "", "key"
        answer, how = chosen(typed, asked)
        if answer:
            return answer, how
        screen.line(f"  {one_line(typed[:60])} is none of these")


def chosen(typed: str, asked: Clarification) -> tuple[str, str]:
    """A number is one of the choices where there are any; all else is the answer itself."""
    if not (typed.isdecimal() and typed.isascii() and asked.choices):
        return typed, "typed"
    place = int(typed) if len(typed) < 4 else 0
    return (asked.choices[place - 1], "key") if 1 <= place <= len(asked.choices) else ("", "")
