"""Whatever agents write is shown as text, and nothing but text."""

from typing import Final

from tests.console.addresses import HOSTILE
from tests.console.conftest import Visiting
from tests.support.browsing import Visit
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


def test_it_is_text(visiting: Visiting, hostile_console: tuple[str, dict[str, str]]) -> None:
    """No dialog opens, no script runs, no element of theirs is there, and no page is wider than a phone.

    One test for all pages: a namespace full of such text is not worth filling in several processes.
    """
    with visiting(hostile_console[0], phone=True) as visit:
        found = {address: _wrong_with(visit, address) for address in HOSTILE}

    assert {} == {address: wrong for address, wrong in found.items() if wrong}


def test_it_is_shown_as_it_is(visiting: Visiting, hostile_console: tuple[str, dict[str, str]]) -> None:
    """What looks like an element is there to read."""
    address, planted = hostile_console
    with visiting(address) as visit:
        assert planted["script"] in visit.open("/runs/script").inner_text("main")


def _wrong_with(visit: Visit, address: str) -> list[str]:
    visit.troubles.clear()
    page = visit.open(address)
    wrong = [*visit.troubles, *page.evaluate(_FOREIGN), *page.evaluate(_TURNING)]
    if not page.evaluate(f"window.{MARK} === undefined"):
        wrong.append("a script ran")
    if COMPUTED in page.content():
        wrong.append("a template was computed")
    if not page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"):
        wrong.append("it is too wide")
    if not (page.locator("header.top").is_visible() and page.locator("footer").is_visible()):
        wrong.append("the frame is gone")
    return wrong
