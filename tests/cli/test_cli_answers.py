"""How a model is asked from the command line: several drafts, repaired or not, and how sure they are."""

from __future__ import annotations

import pytest
from cli_shop import Asked, Shop

NAMES = "SELECT name FROM customers"
MISSPELT = "SELECT nme FROM customers"


@pytest.mark.parametrize(
    "arguments",
    [("--samples", "who?"), ("who?", "--samples"), ("--samples", "3 best?"), ("--samples", "who?", "--json")],
)
def test_samples_alone_are_three(shop: Shop, model: Asked, arguments: tuple[str, ...]) -> None:
    model.answers(NAMES, "SELECT id FROM customers", NAMES)
    ran = shop.run("ask", *arguments, *(() if "--json" in arguments else ("--json",)))
    assert ran.code == 8
    assert (ran.document["drafts"], round(ran.document["confidence"], 2)) == (3, 0.67)


def test_samples_take_a_number_as_ever(shop: Shop, model: Asked) -> None:
    model.answers(NAMES)
    assert shop.run("ask", "--samples", "2", "who?", "--json").document["drafts"] == 2
    refused = shop.run("ask", "--samples", "-1", "who?", "--json")
    assert refused.code == 2


def test_what_was_corrected_is_said_and_no_repair_turns_it_off(shop: Shop, model: Asked) -> None:
    model.answers(MISSPELT, MISSPELT, NAMES)
    mended = shop.run("ask", "who?", "--json").document
    assert (mended["sql"], mended["drafted"], mended["corrections"]) == (NAMES, MISSPELT, ["nme to name"])
    assert b"corrected nme to name" in shop.run("show", mended["thread"]).out
    plain = shop.run("ask", "who?", "--no-repair", "--json").document
    assert (plain["sql"], plain["drafted"]) == (NAMES, None)
    assert [a["sql"] for a in plain["attempts"]] == [MISSPELT]


def test_help_says_what_the_words_of_confidence_mean(shop: Shop) -> None:
    said = shop.run("help", "confidence").out.decode()
    assert all(word in said for word in ("sure", "fair", "a guess", "--samples"))
