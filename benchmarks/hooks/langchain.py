"""What a step of an agent of LangGraph costs with Runweaver's handler next to LangChain's own tracer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.hooks.framework_step import STEPS, hook_row, print_steps
from runweaver.producer import Producer


def main() -> None:
    """Let a scripted model call a tool again and again, and print what a step took."""
    from langchain_core.language_models import FakeMessagesListChatModel  # noqa: PLC0415 - it need not be installed
    from langchain_core.messages import AIMessage  # noqa: PLC0415
    from langchain_core.tools import tool  # noqa: PLC0415
    from langchain_core.tracers.run_collector import RunCollectorCallbackHandler  # noqa: PLC0415
    from langgraph.graph import START, MessagesState, StateGraph  # noqa: PLC0415
    from langgraph.prebuilt import ToolNode, tools_condition  # noqa: PLC0415

    from runweaver.producer.integrations.langchain import RunweaverCallbackHandler  # noqa: PLC0415

    @tool
    def look(to: str) -> str:
        """Look for flights."""
        return f"3 flights to {to}"

    calls = [
        AIMessage("", id=f"m{step}", tool_calls=[{"name": "look", "args": {"to": "Oslo"}, "id": f"c{step}"}])
        for step in range(STEPS)
    ]
    model = FakeMessagesListChatModel(responses=[*calls, AIMessage("Fly")])
    graph: Any = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([look]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    agent = graph.compile()
    handlers: list[Any] = []
    producer, own = Producer(name="bench"), RunCollectorCallbackHandler()
    hook = RunweaverCallbackHandler(producer)

    def run() -> None:
        model.i = 0
        config = {"callbacks": list(handlers), "recursion_limit": 3 * STEPS}
        agent.invoke({"messages": [("user", "To Oslo")]}, config)

    @contextmanager
    def handled_by(*chosen: Any) -> Iterator[None]:
        handlers[:] = chosen
        yield

    def flush() -> None:
        own.traced_runs.clear()
        producer.flush(30.0)

    ways = {"bare": handled_by, "traced": lambda: handled_by(own), "hooked": lambda: handled_by(own, hook)}
    print_steps(run, ways, flush)
    assert producer.dropped == 0
    producer.close()


ROWS: Final = (
    hook_row(
        "hook-langchain",
        "LangGraph",
        "langgraph",
        "benchmarks.hooks.langchain",
        "the tracer that keeps its runs in memory",
    ),
)

if __name__ == "__main__":
    main()
