"""What a language model may cost: requests, tokens, time; and when it is not asked."""

from collections.abc import Iterator
from typing import Any

import pytest

from runweaver.shared import SettingsError
from runweaver.worker.totals import NARRATIONS
from tests.support import model_server
from tests.support.messages import Script
from tests.support.model_server import ModelServer, says
from tests.support.telling import GOOD, KEY, Teller, failed
from tests.unit.making import fold_of


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model that tells something sensible."""
    with ModelServer(GOOD) as running:
        yield running


@pytest.fixture
def teller() -> Iterator[Teller]:
    """Makes narrators, and closes them."""
    with Teller() as making:
        yield making


def test_the_same_is_not_asked_twice(model: ModelServer, teller: Teller) -> None:
    """A summary may be made anew because messages came while it was stored; failures are remembered, too."""
    telling = teller(model.url)
    assert telling(failed()) == telling(failed())
    model.behaviour = model_server.refuses
    assert telling(failed("other", error="x")) == telling(failed("other", error="x"))

    assert 2 == len(model.asked)
    assert {"written": 1, "refusal": 1} == telling.results


def test_one_run_does_not_cost_without_end(model: ModelServer, teller: Teller) -> None:
    """However many revisions late messages make of it: after three requests it is told plainly."""
    telling = teller(model.url)

    narrators = [telling(failed(error=f"error {number}")).narrator for number in range(5)]

    assert ["llm:small"] * 3 + ["runweaver"] * 2 == narrators
    assert {"written": 3, "budget": 2} == telling.results


def test_tokens_of_a_minute_are_bounded(model: ModelServer, teller: Teller) -> None:
    """By what the server says they were."""
    model.behaviour = says(("It was so.", ["d1"]), usage=(5_000, 400))
    telling = teller(model.url, llm_minute_tokens=13_000)

    narrators = [telling(failed(f"run-{number}", error=f"{number}")).narrator for number in range(4)]

    # 5,400 each; and a third one, which may take a few thousand, would be too many.
    assert ["llm:small"] * 2 + ["runweaver"] * 2 == narrators
    assert {"input": 10_000, "output": 800} == telling.totals.tokens


def test_tokens_are_estimated_where_a_server_does_not_count_them(model: ModelServer, teller: Teller) -> None:
    """Also where it does not answer: it may have been at work."""
    model.behaviour = says(("It was so.", ["d1"]), usage=None)
    telling = teller(model.url)

    telling(failed())
    answered = dict(telling.totals.tokens)
    model.behaviour = model_server.refuses
    telling(failed("other"))

    assert 1_500 == answered["output"]
    assert 500 < answered["input"] < 4_500
    assert 3_000 == telling.totals.tokens["output"]


def test_waiting_is_bounded_too(model: ModelServer, teller: Teller) -> None:
    """A slow model gets no more than its share of a finalizer's time."""
    model.behaviour = model_server.hangs
    telling = teller(model.url, llm_timeout_s=0.2, llm_minute_s=0.1)

    for number in range(3):
        telling(failed(f"run-{number}"))

    assert {"timeout": 1, "budget": 2} == telling.results


def test_a_model_that_does_not_answer_is_not_asked_for_a_while(model: ModelServer, teller: Teller) -> None:
    """After three times in a row; an answer in between counts from zero."""
    telling = teller(model.url)
    for number, behaviour in enumerate([model_server.fails(400)] * 2 + [GOOD] + [model_server.fails(400)] * 4):
        model.behaviour = behaviour
        telling(failed(f"run-{number}"))

    assert {"error": 5, "written": 1, "paused": 1} == telling.results
    assert 6 == len(model.asked)


@pytest.mark.parametrize(("status", "headers"), [(401, {}), (404, {}), (429, {"Retry-After": "30"})])
def test_what_will_not_change_soon_is_not_tried_again(
    model: ModelServer, status: int, headers: dict[str, str], teller: Teller
) -> None:
    """A wrong key, a model that is not there, a server that says to wait."""
    model.behaviour = model_server.fails(status, headers)
    telling = teller(model.url)
    telling(failed("one"))
    model.behaviour = GOOD

    assert "runweaver" == telling(failed("two")).narrator
    assert 1 == telling.results["paused"]


def test_a_large_run_stays_within_its_tokens(model: ModelServer, teller: Teller) -> None:
    """What failed is told first, and how much was left out is said."""
    script = Script("run")
    steps = [
        message
        for number in range(2_000)
        for message in (
            script.decision(str(number), f"Step {number} " + "x" * 5_000, reasoning="y" * 5_000),
            script.outcome(str(number), success=number != 1_000, error="z" * 5_000 if number == 1_000 else None),
        )
    ]
    run = fold_of(script.started(), *steps, script.ended("failed"))
    model.behaviour = says(("Step 1000 failed.", ["d1001"]))
    telling = teller(model.url, llm_run_tokens=3_000)

    story = telling(run)

    [data], [asked] = model.data, model.asked
    assert "llm:small" == story.narrator
    assert sum(len(message["content"].encode()) for message in asked["messages"]) < 3_000 * 0.75 * 3
    assert 750 == asked["max_tokens"]
    assert "d1001" in [decision["id"] for decision in data["decisions"]]
    assert 2_000 == data["decisions_left_out"] + len(data["decisions"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"llm_model": None}, "RUNWEAVER_LLM_MODEL"),
        ({"llm_url": "ftp://x/v1"}, "RUNWEAVER_LLM_URL='ftp://x/v1'"),
        ({"llm_url": "http://[::1/v1"}, "RUNWEAVER_LLM_URL"),
        ({"llm_url": f"https://me:{KEY}@x/v1"}, "RUNWEAVER_LLM_URL holds a user or a password"),
        ({"llm_key": f"{KEY}\n"}, "RUNWEAVER_LLM_KEY holds blanks"),
        ({"llm_minute_tokens": 100}, "RUNWEAVER_LLM_MINUTE_TOKENS=100"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], said: str, teller: Teller) -> None:
    """A sentence that names the setting, and never the key."""
    with pytest.raises(SettingsError, match=said.replace("[", "\\[")) as caught:
        teller("http://localhost/v1", **settings)

    assert KEY not in str(caught.value)


def test_all_results_are_known(model: ModelServer, teller: Teller) -> None:
    """Metrics begin with each of them at zero: none comes out of nowhere."""
    assert set(NARRATIONS) == set(teller(model.url).totals.results)
