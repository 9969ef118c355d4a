"""The source holds no way to turn data into code."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = sorted(
    source
    for part in ("shared", "producer", "worker", "query", "console")
    for source in (_ROOT / part / "runweaver").rglob("*.py")
)

#: What reads back more than data.
_MODULES: Final = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "jsonpickle"}
_BUILTINS: Final = {"eval", "exec", "compile", "__import__"}
_FUNCTIONS: Final = {"import_module", "import_attribute", "run_module", "run_path", "system", "popen"}

#: RQ's parts, which pickle unless they are told otherwise.
_RQ: Final = {"FinalizeQueue", "_FinalizeWorker"}


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node
        # `client.eval` is a script on the server, `re.compile` a pattern.
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr not in _BUILTINS:
            yield node.func.attr, node


@pytest.mark.parametrize("source", _SOURCES, ids=lambda source: str(source.relative_to(_ROOT)))
def test_nothing_is_unpickled_or_evaluated(source: Path) -> None:
    """No module imports what can, and none calls what can. The one import by name is that of the narrator."""
    tree = ast.parse(source.read_text())
    allowed = {"import_module"} if source.name == "finalizer_process.py" else set()

    assert set() == _MODULES & set(_names(tree))
    assert allowed == (_BUILTINS | _FUNCTIONS) & {name for name, _ in _calls(tree)}


def test_all_of_rq_is_told_to_use_json() -> None:
    """Its queue and its worker are made with the serializer that reads data and nothing else."""
    made = [
        (name, {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}.get("serializer"))
        for source in _SOURCES
        for name, call in _calls(ast.parse(source.read_text()))
        if name in _RQ
    ]

    assert {(name, "JSONSerializer") for name in _RQ} == set(made)
