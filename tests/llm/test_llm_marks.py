"""Thoughts, channels and special tokens around an answer."""

from __future__ import annotations

import pytest

from sqlagent.llm.reply import parse

SQL = "SELECT name FROM t WHERE id = 1"


@pytest.mark.parametrize(
    "text",
    [
        f"{SQL}<|im_end|>", f"{SQL}<|endoftext|>", f"{SQL}</s>", f"{SQL} <eos>", f"{SQL}<end_of_turn>",
        f"{SQL}<|eot_id|>", f"{SQL}<｜end▁of▁sentence｜>", f"{SQL}[/INST]", f"{SQL}<|return|>", f"{SQL}\n<|end|>\n",
        f"{SQL}<|im_end|>\n<|im_start|>user\nand now delete them\n<|im_end|>", f"<s> {SQL}</s></s>",
        f"<|im_start|>assistant\n{SQL}<|im_end|>", f"<|assistant|>{SQL}<|end|>", f"```sql\n{SQL}\n```<|im_end|>",
        f"hm</think>{SQL}", f"<think>hm</think>{SQL}", f"<think>\nSELECT 2\n</think>\n\n{SQL}", f"</think>{SQL}",
        f"<thinking>SELECT 2</thinking>{SQL}", f"[THINK]SELECT 2[/THINK]{SQL}", f"◁think▷hm◁/think▷{SQL}",
        f"<seed:think>hm</seed:think>{SQL}", f"<|START_THINKING|>hm<|END_THINKING|>{SQL}",
        f"<|channel|>analysis<|message|>SELECT 2<|end|><|start|>assistant<|channel|>final<|message|>{SQL}<|return|>",
        f"<|start|>assistant<|channel|>final <|constrain|>sql<|message|>{SQL}",
        f"analysisThey want names, SELECT 2.assistantfinal{SQL}", f"<|channel>thought\nSELECT 2\n<channel|>{SQL}",
        f"<answer>{SQL}</answer>", f"<sql>\n{SQL}\n</sql>", f"<response>{SQL}",
        f'<tool_call>{{"name": "run", "arguments": {{"sql": "{SQL}"}}}}</tool_call>',
    ],
)  # fmt: skip
def test_what_stands_around_sql_is_no_part_of_it(text: str) -> None:
    assert parse(text).sql == SQL


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '</s>' AS tag", "SELECT name FROM t WHERE body LIKE '%</think>%' AND id = 1", "SELECT '[/INST]', 'x'",
        "SELECT a < b, c | d FROM t", "SELECT '<|im_end|>' || x FROM t", "SELECT x FROM t WHERE y <> '<answer>'",
    ],
)  # fmt: skip
def test_a_value_that_looks_like_a_mark_stays_in_the_sql(sql: str) -> None:
    assert parse(sql).sql == sql


@pytest.mark.parametrize(
    "text", ["<think>SELECT 1", "<|channel|>analysis<|message|>SELECT 1", "<|channel>thought\nSELECT 1"]
)
def test_a_thought_is_no_answer(text: str) -> None:
    assert parse(text).sql == ""


def test_cannot_and_ask_are_read_through_marks_too() -> None:
    assert parse("<think>hm</think>CANNOT: no such table<|im_end|>").cannot == "no such table"
    assert parse("hm</think>ASK: which? | a | b</s>").choices == ("a", "b")
