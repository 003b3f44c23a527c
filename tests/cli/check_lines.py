"""What `sqlagent check` answers, a line of JSON for each statement."""

from __future__ import annotations

import json
from typing import Any

from cli_process import Ran
from cli_shop import Shop

JUDGED = ["index", "sql", "line", "kind", "risk", "reads", "writes", "findings", "opinions", "denied"]
PLACED = ["column", "end_line", "end_column", "allowed"]
FIELDS = ["file", *JUDGED, *PLACED]
SCRIPT = """\
SELECT name FROM customers;

UPDATE orders SET status = 'paid' WHERE id = 1;
DELETE FROM orders;
"""


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def one(shop: Shop, sql: str, *more: str) -> dict[str, Any]:
    (told,) = lines(shop.run("check", "--sql", sql, "--json", *more))
    return told
