"""The page for contributors is true: its files exist, and a finding added as it says is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from checkout import ROOT

PAGE = ROOT / ".github" / "CONTRIBUTING.md"


def test_every_file_that_the_page_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", PAGE.read_text())
    assert len(links) > 15
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_ten_questions_have_a_file_each() -> None:
    rows = re.findall(r"^\| (.+\?) \| \[.+?\]\(\.\./(.+?)\) \|$", PAGE.read_text(), re.M)
    assert len(rows) == len({file for _, file in rows}) == 10
    for question, file in rows:
        module = (ROOT / file).read_text()
        assert module.startswith('"""'), f"{file} does not say what it is for, and {question} leads there"


def test_a_finding_added_as_the_page_says_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sqlagent", tmp_path / "sqlagent", ignore=shutil.ignore_patterns("__pycache__"))
    (block,) = re.findall(r"<!-- a finding -->\n\s*```python\n(.*?)```", PAGE.read_text(), re.S)
    rules = tmp_path / "sqlagent" / "core" / "rules"
    with (rules / "of_text.py").open("a") as file:
        file.write("\n\n" + textwrap.dedent(block))
    listed = (rules / "__init__.py").read_text()
    assert "        of_text.equals_null,\n" in listed
    (rules / "__init__.py").write_text(
        listed.replace("        of_text.equals_null,\n", "        of_text.equals_null,\n        of_text.select_star,\n")
    )

    def said(sql: str) -> str:
        command = [sys.executable, "-m", "sqlagent", "check", "--sql", sql, "--format", "json"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    assert "select-star" in said("SELECT * FROM orders")
    assert "select-star" not in said("SELECT id FROM orders")
