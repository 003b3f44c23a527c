"""How fast the syntax opinion is: statements a second, and seconds for the largest ones.  Prints; asserts no time."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from sqlagent.core.analyze import opinions

pytestmark = pytest.mark.benchmark

ORDINARY = """
    SELECT id, name, email FROM customers WHERE country = 'DE' AND created_at >= date('now', '-1 year') ORDER BY name;
    SELECT c.name, sum(o.total) AS revenue FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY c.id LIMIT 3;
    UPDATE orders SET status = 'sent', sent_at = CURRENT_TIMESTAMP WHERE id = 4711;
    INSERT INTO orders(customer_id, total, status) VALUES (17, 99.5, 'new');
    DELETE FROM sessions WHERE expires_at < datetime('now');
    SELECT count(*) FROM orders WHERE status IN ('new', 'paid') AND total > 100;
"""


@pytest.mark.parametrize("times", [100, 1_000, 17_000])
def test_statements_a_second(times: int) -> None:
    script = ORDINARY * times
    next(opinions("SELECT 1", "sqlite"))
    start = time.process_time()
    count = sum(1 for _ in opinions(script, "sqlite"))
    seconds = time.process_time() - start
    print(f"\n{count:,} statements: {count / seconds:,.0f} a second")
    assert count == 6 * times


def test_memory_of_a_long_script_stays_flat() -> None:
    def peak(times: int) -> int:
        script = ORDINARY * times
        tracemalloc.start()
        for _ in opinions(script, "sqlite"):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)
    small, large = peak(100), peak(1_000)
    print(f"\npeak {small:,} bytes for 600 statements, {large:,} for 6,000")
    assert large < 2 * small + 1_000_000
