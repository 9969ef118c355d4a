"""The pages of the documentation, as tests read them."""

import re
from pathlib import Path
from typing import Final

#: The repository.
ROOT: Final = Path(__file__).parents[2]


def table_after(heading: str, page: Path, *, number: int = 1) -> list[list[str]]:
    """The rows of the first table under a heading, or of a later one."""
    _, _, text = page.read_text(encoding="utf-8").partition(f"# {heading}\n")
    rows = text.split("| --- |\n")[number]
    table = rows.partition("\n\n")[0].splitlines()
    assert table, f"there is no table under {heading!r}"
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in table]


def blocks(page: Path, language: str = "python") -> list[str]:
    """What stands in the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
