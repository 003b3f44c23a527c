"""The embedded model: a first question, which loads it, and a second one, which does not."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from checkout import ROOT
from measure import run_once, say

pytestmark = [pytest.mark.benchmark, pytest.mark.model]


def test_first_and_second_question(weights_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "sample.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    env = dict(os.environ) | {"SQLAGENT_CACHE_DIR": str(weights_path.parent.parent)}
    ask = [sys.executable, "-m", "sqlagent", "ask", "--no-input"]
    try:
        for which, question in (("first", "how many customers are there?"), ("second", "how many orders are there?")):
            began = time.monotonic()
            run_once([*ask, question], env, code=8)
            say(f"embedded model, {which} question", f"{time.monotonic() - began:.1f} s")
    finally:
        run_once([sys.executable, "-m", "sqlagent", "model", "stop"], env)
