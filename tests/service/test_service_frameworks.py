"""Frameworks that call in threads: LangChain's parallel tool calls, and a FastAPI handler, on one agent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from shops import a_shop


class Scripted(GenericFakeChatModel):
    """A model that says what it was told to, whatever tools it has."""

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self


def test_parallel_tool_calls_get_the_rows_of_their_own(tmp_path: Path) -> None:
    calls: Any = [{"name": "query", "args": {"number": n}, "id": str(n)} for n in range(4)]
    model = Scripted(messages=iter([AIMessage("", tool_calls=calls), AIMessage("done")]))
    with a_shop(tmp_path / "shop").agent(reads="allow") as agent:

        def query(number: int) -> str:
            """Run one statement."""
            return str(agent.run(f"SELECT {number}", only="read").rowsets[0].rows)

        asked: Any = {"messages": [("user", "four at once")]}
        said = create_agent(model, [query]).invoke(asked)
    told = {m.tool_call_id: m.content for m in said["messages"] if isinstance(m, ToolMessage)}
    assert told == {str(n): f"(({n},),)" for n in range(4)}


def test_a_handler_answers_each_request_with_its_own_rows(tmp_path: Path) -> None:
    app = FastAPI()
    with a_shop(tmp_path / "shop").agent(reads="allow") as agent:

        @app.get("/{number}")
        def rows(number: int) -> Any:
            return agent.run(f"SELECT {number}", only="read").to_json()["results"][0]["rows"]

        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
        socket = server.config.bind_socket()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        address = f"http://127.0.0.1:{socket.getsockname()[1]}"
        try:
            with ThreadPoolExecutor(6) as many:
                got = list(many.map(lambda n: httpx.get(f"{address}/{n}", timeout=60).json(), range(6)))
        finally:
            server.should_exit = True
            thread.join()
    assert got == [[[n]] for n in range(6)]
