"""Where in a graph of LangGraph a step is, and from which nodes a run got there. It need not be installed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

#: How LangGraph calls the ends of a graph.
START: Final = "__start__"
END: Final = "__end__"


def node_of(metadata: Mapping[str, Any]) -> str | None:
    """The node's name; in a graph within a node, after that node's: `research/search`."""
    name = metadata.get("langgraph_node")
    if not isinstance(name, str):
        return None
    *outer, _ = namespace_of(metadata).split("|")
    return "/".join([*(level.partition(":")[0] for level in outer if level), name])


def namespace_of(metadata: Mapping[str, Any]) -> str:
    """Names one execution of a node: `research:1f0…|search:8c2…`."""
    return str(metadata.get("langgraph_checkpoint_ns") or "")


def is_going_on(inputs: Any) -> bool:
    """Whether a graph is not begun with this, but resumed: after an interrupt, or where it once failed."""
    return inputs is None or type(inputs).__name__ == "Command"


def is_no_failure(error: BaseException) -> bool:
    """Whether this exception is how LangGraph stops a node that waits, or goes on in the graph around it."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def interrupts_of(error: BaseException) -> Mapping[Any, Any]:
    """What somebody is asked before the graph goes on, by the interrupt's id: graphs around it raise it again."""
    if not any(kind.__name__ == "GraphInterrupt" for kind in type(error).__mro__):
        return {}
    asked = error.args[0] if error.args and isinstance(error.args[0], Sequence) else error.args
    return {getattr(each, "id", None) or id(each): getattr(each, "value", each) for each in asked}


class GraphSteps:
    """The nodes of one graph, as they run: some at once in each step."""

    def __init__(self, before: str | None) -> None:
        """Nothing runs yet.

        Args:
            before: from where the first nodes are reached; none, where that was in another run.
        """
        self._step: int | None = None
        self._sources: list[str] = [before] if before is not None else []
        self._nodes: list[str] = []
        self._seen: set[str] = set()

    def node_started(self, node: str, metadata: Mapping[str, Any]) -> Sequence[str]:
        """A node began.

        Returns:
            From which nodes the graph got there: those of the step before. Callbacks do not tell which of them it was.
        """
        step, namespace = metadata.get("langgraph_step"), namespace_of(metadata)
        if step != self._step:
            if self._nodes:
                self._sources = self._nodes
            self._step, self._nodes, self._seen = step, [], set()
        if namespace in self._seen:
            return []  # the same again, after an error
        self._seen.add(namespace)
        if node not in self._nodes:
            self._nodes.append(node)
        return self._sources

    @property
    def last_nodes(self) -> Sequence[str]:
        """Those of the latest step."""
        return self._nodes
