"""Whatever agents write is shown as text, and nothing but text."""

from typing import Final

import pytest

from tests.console.addresses import HOSTILE
from tests.console.conftest import Visiting
from tests.support.hostile import COMPUTED, MARK

#: What is not ours: elements, attributes that run something, addresses that do.
_FOREIGN: Final = f"""() => [...document.querySelectorAll("*")].filter((each) =>
  each.classList.contains("{MARK}")
  || each.matches("script:not([src^='/static/']), style, iframe, object, embed, base, meta[http-equiv], [autofocus]")
  || [...each.attributes].some((attribute) => attribute.name.startsWith("on"))
  || /^\\s*javascript:/i.test(each.getAttribute("href") ?? each.getAttribute("src") ?? "")
).map((each) => each.outerHTML.slice(0, 200))"""

#: Characters that turn the direction of all that follows in their paragraph, where that goes on after their element.
_TURNING: Final = """() => {
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode, element = node.parentElement;
    if (/[\\u202A-\\u202E\\u2066-\\u2069]/.test(node.data)
        && !["isolate", "plaintext"].includes(getComputedStyle(element).unicodeBidi))
      found.push(element.outerHTML.slice(0, 200));
  }
  return found;
}"""


@pytest.mark.parametrize("address", HOSTILE)
def test_it_is_text(visiting: Visiting, hostile_console: tuple[str, dict[str, str]], address: str) -> None:
    """No dialog opens, no script runs, no element of theirs is there, and the page is as wide as ever."""
    with visiting(hostile_console[0], phone=True) as visit:
        page = visit.open(address)

        assert [] == visit.troubles
        assert page.evaluate(f"window.{MARK} === undefined")
        assert [] == page.evaluate(_FOREIGN)
        assert COMPUTED not in page.content()
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert [] == page.evaluate(_TURNING)
        assert page.locator("header.top").is_visible()
        assert page.locator("footer").is_visible()


def test_it_is_shown_as_it_is(visiting: Visiting, hostile_console: tuple[str, dict[str, str]]) -> None:
    """What looks like an element is there to read."""
    address, planted = hostile_console
    with visiting(address) as visit:
        assert planted["script"] in visit.open("/runs/script").inner_text("main")
