"""Comments in a CREATE TABLE are what the database says of its columns."""

from __future__ import annotations

import pytest

from sqlagent.databases.sqlite.opinion.comments import comments


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE t (a INT, -- in cents\n b TEXT -- two letters\n)", {"a": "in cents", "b": "two letters"}),
        ("CREATE TABLE t (\n -- in cents\n a INT,\n /* two\n letters */\n b TEXT)",
         {"a": "in cents", "b": "two letters"}),
        ("CREATE TABLE t ( -- what is sold\n a INT)", {"": "what is sold"}),
        ("CREATE TABLE t -- what is sold\n (a INT)", {"": "what is sold"}),
        ("CREATE TABLE t (a NUMERIC(10, 2), -- money\n \"B c\" TEXT /* words */)", {"a": "money", "b c": "words"}),
        ("CREATE TABLE t (a TEXT DEFAULT '-- no comment', b TEXT CHECK (b <> '/*x*/'))", {}),
        ("CREATE TABLE t (a INT, -- one\n -- two\n b INT)", {"a": "one", "b": "two"}),
        ("CREATE TABLE t (a INT -----\n)", {}),
        ("CREATE TABLE t (a INT, -- never ends", {"a": "never ends"}),
        ("", {}),
    ],
)  # fmt: skip
def test_a_comment_is_about_the_column_on_its_line_or_below_it(sql: str, said: dict[str, str]) -> None:
    assert comments(sql) == said
