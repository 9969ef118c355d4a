"""Packages that are not installed."""


def without(package: str) -> str:
    """The beginning of a program in which this package cannot be found."""
    return f"""
import sys

class Missing:
    def find_spec(name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing)
"""
