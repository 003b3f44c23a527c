"""Any JSON that a client may send, made at random, with the words of all dialects in it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pending_answers import DIGEST, ID, ONE, OTHER

NESTED: Any = []
for _ in range(100_000):
    NESTED = [NESTED]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["approve", "accept", "edit", "reject", "partial", "execute_sql"]),
    st.sampled_from([ONE.sql, DIGEST, f"sha256:{DIGEST}", OTHER]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["type", "digest", "decisions", "args", "sql", "action", "name", "edited_action", "keep", "reason", "message",
     "retry", "choice", "answer", "text", ID, "f" * 32]
) | st.text(max_size=4)  # fmt: skip
ACTIONS = st.fixed_dictionaries(
    {"action": st.just("execute_sql") | LEAVES, "args": st.fixed_dictionaries({"sql": st.just(ONE.sql) | LEAVES})}
)
SAID = st.fixed_dictionaries(
    {"type": st.sampled_from(["approve", "accept", "edit", "reject", "partial", "respond", "response", "ignore"])},
    optional={"digest": LEAVES, "args": ACTIONS | LEAVES, "sql": LEAVES, "reason": LEAVES, "keep": st.lists(LEAVES)},
)
JSON = st.recursive(
    LEAVES | SAID,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=4),
        st.fixed_dictionaries({"decisions": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({ID: inner}),
    ),
    max_leaves=12,
)
