"""The graph itself: the same builder for the command line, the library and LangGraph's own tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from sqlagent.pipeline.context import Context
from sqlagent.pipeline.state import State
from sqlagent.pipeline.thread import nodes

Graph = CompiledStateGraph[State, Context, State, State]


def build(saver: Any = None) -> Graph:
    """Compile it for our own driver, which passes the ports with every call."""
    graph = StateGraph(State, context_schema=Context)
    wired(graph, lambda node: node)
    graph.add_conditional_edges(START, nodes.from_start, nodes.STARTS)
    return graph.compile(checkpointer=saver)


def wired(graph: StateGraph[Any, Any, Any, Any], held: Callable[[Any], Any]) -> None:
    """Put in generate -> analyze -> review -> execute, with the ways back; `held` may put something around a node."""
    for node in (nodes.generate, nodes.analyze, nodes.clarify, nodes.hear, nodes.review, nodes.decide, nodes.revise,
                 nodes.execute, nodes.finish):  # fmt: skip
        graph.add_node(node.__name__, held(node))
    graph.add_conditional_edges("generate", nodes.after_generate, ["analyze", "generate", "clarify", "finish"])
    graph.add_edge("clarify", "hear")
    graph.add_conditional_edges("hear", nodes.after_hear, ["clarify", "analyze", "generate"])
    graph.add_conditional_edges("analyze", nodes.after_analyze, ["generate", "review", "decide", "execute", "finish"])
    graph.add_edge("review", "decide")
    graph.add_conditional_edges("decide", nodes.after_decide, ["review", "execute", "revise", "finish"])
    graph.add_conditional_edges("revise", nodes.after_revise, ["analyze", "generate"])
    graph.add_conditional_edges("execute", nodes.after_execute, ["finish", "analyze"])
    graph.add_edge("finish", END)
