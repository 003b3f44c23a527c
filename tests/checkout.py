"""Where this checkout lies, and the fixtures in it, for tests in any folder."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
