"""LangGraph's own dev server over HTTP, driven by its Python SDK, and other doors beside it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from langgraph_dev_server import card, dev_server, digest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from node_programs import node, package
from shops import SELL, Shop, a_shop, once_each

from sqlagent.core.nouns.session import Status
from sqlagent.service import Agent

pytest.importorskip("langgraph_api", reason="LangGraph's server is not installed: pip install langgraph-api")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = a_shop(tmp_path_factory.mktemp("served"))
    made.rows("INSERT INTO stock SELECT value, 'box', 10 FROM json_each('[11, 12, 13, 14, 15, 16]')")
    return made


@pytest.fixture(scope="module")
def address(shop: Shop) -> Iterator[str]:
    with dev_server(shop) as found:
        yield found


class Client:
    """One thread of the server's."""

    def __init__(self, sdk: SyncLangGraphClient, thread_id: str | None = None) -> None:
        self._sdk = sdk
        self.id = sdk.threads.create(thread_id=thread_id)["thread_id"]

    def begins(self, **begun: Any) -> dict[str, Any]:
        return dict(self._sdk.runs.wait(self.id, "sqlagent", input=begun))  # type: ignore[arg-type]

    def answers(self, answer: Any, **command: Any) -> dict[str, Any]:
        return dict(self._sdk.runs.wait(self.id, "sqlagent", command={"resume": answer, **command}))  # type: ignore[call-overload]

    @property
    def status(self) -> str:
        return str(self._sdk.threads.get(self.id)["status"])


@pytest.fixture
def sdk(address: str) -> SyncLangGraphClient:
    return get_sync_client(url=address)


@pytest.fixture
def client(sdk: SyncLangGraphClient) -> Client:
    return Client(sdk)


@pytest.fixture
def ana(shop: Shop) -> Iterator[Agent]:
    with shop.agent() as agent:
        yield agent


def sell(item: int) -> str:
    return f"UPDATE stock SET left = left - 1 WHERE id = {item}"


def left(shop: Shop, item: int) -> int:
    ((found,),) = shop.rows(f"SELECT left FROM stock WHERE id = {item}")
    return int(found)


def test_it_asks_waits_is_approved_and_runs_once(shop: Shop, client: Client) -> None:
    asked = client.begins(run=sell(11))
    assert (client.status, card(asked)["args"]["sql"]) == ("interrupted", sell(11))
    done = client.answers({"type": "approve", "digest": digest(asked)})
    assert (done["status"], client.status, left(shop, 11)) == ("executed", "idle", 9)
    assert done["messages"][-1]["content"] == "executed: 1 row changed"


def test_a_card_outlives_a_look_at_the_command_lines_door_and_is_told_who_decided_there(
    shop: Shop, client: Client, ana: Agent
) -> None:
    asked = client.begins(run=sell(12))
    seen = ana.resume(asked["thread"])
    assert seen.proposal is not None
    assert seen.proposal.digest == digest(asked)
    assert ana.approve(asked["thread"], digest(asked)).status is Status.EXECUTED
    assert client.status == "interrupted", "the server has not been told"
    late = client.answers({"type": "reject"})
    assert late["problem"].startswith(f"{asked['thread']} is finished, executed: approved by ana (library) at")
    assert (late["status"], client.status, left(shop, 12)) == ("executed", "idle", 9)


def test_what_is_approved_there_is_run_here_with_its_rows(shop: Shop, client: Client, ana: Agent) -> None:
    asked = client.begins(run=sell(13))
    ana.approve(asked["thread"], digest(asked), run=False)
    assert left(shop, 13) == 10
    done = client.answers({"type": "approve", "digest": digest(asked)})
    assert (done["status"], left(shop, 13)) == ("executed", 9)


@pytest.mark.parametrize("wrong", [{}, {"type": "approve", "digest": "0" * 64}], ids=["no keys", "another digest"])
def test_what_is_no_answer_is_told_so_and_it_goes_on_waiting(client: Client, wrong: Any) -> None:
    asked = client.begins(run="SELECT count(*) FROM stock")
    told = client.answers(wrong)
    assert (client.status, digest(told)) == ("interrupted", digest(asked))
    assert told["problem"] == told["messages"][-1]["content"] == card(told)["sqlagent"]["problem"]


def test_nothing_begins_while_it_waits(client: Client) -> None:
    asked = client.begins(run="SELECT count(*) FROM stock")
    told = client.begins(messages=[{"role": "user", "content": "approve"}])
    assert (client.status, digest(told)) == ("interrupted", digest(asked))
    assert "waits for an answer" in told["problem"]


def test_the_end_cannot_be_jumped_to(sdk: SyncLangGraphClient, client: Client) -> None:
    asked = client.begins(run="SELECT count(*) FROM stock")
    told: Any = sdk.runs.wait(client.id, "sqlagent", command={"goto": "__end__"})
    assert (client.status, digest(told)) == ("interrupted", digest(asked))
    assert "may not change where the thread stands" in told["problem"]


def test_a_thread_that_the_command_line_paused_is_answered_over_http(
    shop: Shop, sdk: SyncLangGraphClient, ana: Agent
) -> None:
    """Under any id that the client likes: one made of ours, which every client makes alike, is an example."""
    paused = ana.run(sell(14))
    assert paused.proposal is not None
    client = Client(sdk, str(uuid5(NAMESPACE_URL, f"sqlagent:{paused.thread}")))
    asked = client.begins(resume=paused.thread)
    assert digest(asked) == paused.proposal.digest
    assert client.answers({"type": "approve", "digest": digest(asked)})["status"] == "executed"
    assert left(shop, 14) == 9
    assert ana.show(paused.thread).status is Status.EXECUTED


_JAVASCRIPT = """
const { Client } = require("@langchain/langgraph-sdk");
(async () => {
  const client = new Client({ apiUrl: process.argv[1] });
  const { thread_id } = await client.threads.create();
  const asked = await client.runs.wait(thread_id, "sqlagent", { input: { run: process.argv[2] } });
  const digest = asked.__interrupt__[0].value.sqlagent.digest;
  const told = await client.runs.wait(thread_id, "sqlagent", { command: { resume: "yes" } });
  const waits = (await client.threads.get(thread_id)).status;
  const done = await client.runs.wait(thread_id, "sqlagent", { command: { resume: { type: "approve", digest } } });
  console.log(JSON.stringify({ problem: told.problem, waits, status: done.status }));
})();
"""


def test_a_client_in_javascript_asks_is_refused_and_approves(shop: Shop, address: str) -> None:
    package("@langchain/langgraph-sdk")
    done = subprocess.run(
        [node(), "-e", _JAVASCRIPT, "--", address, sell(15)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["waits"], told["status"], left(shop, 15)) == ("interrupted", "executed", 9)
    assert "is no answer" in told["problem"]


def test_no_row_is_kept_by_the_server(shop: Shop, sdk: SyncLangGraphClient, client: Client) -> None:
    asked = client.begins(run="SELECT name FROM stock WHERE id = 1")
    done = client.answers({"type": "approve", "digest": digest(asked)})
    assert done["messages"][-1]["content"] == "executed: 1 row"
    assert "apple" not in str(sdk.threads.get_state(client.id))
    assert "apple" not in (shop.folder / "server.log").read_text()


def test_everything_that_the_server_did_is_on_record_once(shop: Shop, client: Client) -> None:
    client.begins(run=SELL)
    once_each(shop)
