"""A language model that tells runs: what it is sent, and what becomes of what it says."""

from collections.abc import Iterator

import pytest

from tests.support.messages import Script
from tests.support.model_server import ModelServer, says
from tests.support.telling import GOOD, KEY, Teller, completed, failed, first_line
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


def test_the_model_tells_what_follows_the_first_line(model: ModelServer, teller: Teller) -> None:
    """One sentence a line, each with the decisions and problems that it rests on; who told it is said."""
    run = failed()

    story = teller(model.url)(run)

    assert f"{first_line(run)}\nNo seat was left on that flight.\nIt was tried again in vain." == story.text
    assert "llm:small" == story.narrator
    assert [(["a"], [], "seats"), (["b"], ["x"], "seats")] == [
        (each.decision_ids, each.problem_ids, each.node) for each in story.evidence[-2:]
    ]


def test_what_is_sent(model: ModelServer, teller: Teller) -> None:
    """One request with the key, no tools, instructions of ours, and the run as one JSON object."""
    teller(model.url)(failed())

    [asked], [data] = model.asked, model.data
    assert f"Bearer {KEY}" == model.headers[0]["authorization"]
    assert ("small", False, None) == (asked["model"], asked["stream"], asked.get("tools"))
    assert ["system", "user"] == [message["role"] for message in asked["messages"]]
    assert "json_schema" == asked["response_format"]["type"]
    assert 1_500 == asked["max_tokens"]
    assert ("failed", "book", "Book a flight") == (data["status"], data["goal"], data["goal_description"])
    assert {
        "id": "d1",
        "node": "seats",
        "intent": "Take a seat",
        "chosen": "The first way",
        "reasoning": "It is the cheapest",
        "came_of_it": "failed",
        "error": "no seat",
    } == data["decisions"][0]
    assert [{"id": "p1", "severity": "critical", "description": "No seats"}] == data["problems"]
    assert {"sentence": "Nothing was tried after that.", "ids": ["d1"]} not in data["told"]
    assert "Run failed." == data["told"][0]["sentence"]


@pytest.mark.parametrize(("output", "form"), [("schema", "response_format"), ("tool", "tools"), ("prompt", "messages")])
def test_the_form_of_the_answer_is_told_in_three_ways(
    model: ModelServer, output: str, form: str, teller: Teller
) -> None:
    """Servers differ in what they understand."""
    story = teller(model.url, llm_output=output)(failed())

    assert "llm:small" == story.narrator
    assert {"response_format", "tools"} & model.asked[0].keys() <= {form}
    assert form in model.asked[0]


def test_sentences_without_evidence_are_thrown_out(model: ModelServer, teller: Teller) -> None:
    """Those beside them stay."""
    model.behaviour = says(("Made up.", ["d77"]), ("No seat was left.", ["d1"]), ("Half made up.", ["d1", "d99"]))

    assert "No seat was left." == teller(model.url)(failed()).text.partition("\n")[2]


def test_a_completed_run_is_not_said_to_have_failed(model: ModelServer, teller: Teller) -> None:
    """The other way round, too; that a decision failed can be said of any run."""
    model.behaviour = says(("The run failed.", ["d1"]), ("The first attempt failed.", ["d1"]))

    story = teller(model.url, llm_runs="all")(completed())

    assert "The first attempt failed." == story.text.partition("\n")[2]


def test_what_is_not_seen_is_taken_out(model: ModelServer, teller: Teller) -> None:
    """Control characters, and what turns the order of characters."""
    model.behaviour = says(("No\x00 seat\u202e was\n\tleft.", ["d1"]))

    story = teller(model.url)(failed())

    assert "No seat was left." == story.text.partition("\n")[2]


def test_an_address_that_the_agent_named_may_be_named(model: ModelServer, teller: Teller) -> None:
    """It is in the data, exactly so."""
    model.behaviour = says(
        ("It asked https://seats.example/a.", ["d1"]), ("It asked https://seats.example/a/b.", ["d1"])
    )

    story = teller(model.url)(failed(error="https://seats.example/a answered 500"))

    assert "It asked https://seats.example/a." == story.text.partition("\n")[2]


def test_no_more_than_eight_sentences(model: ModelServer, teller: Teller) -> None:
    """And none twice."""
    model.behaviour = says(*((f"Sentence {number // 2}.", ["d1"]) for number in range(40)))

    lines = teller(model.url)(failed()).text.splitlines()

    assert [f"Sentence {number}." for number in range(8)] == lines[1:]


def test_only_runs_that_deserve_it(model: ModelServer, teller: Teller) -> None:
    """Those that failed, got stuck or need attention, unless all are asked for."""
    script = Script("slow")
    slow = fold_of(script.started(), script.decision("a"), script.outcome("a", latency_ms=99_000), script.ended())
    script = Script("silent")
    stuck = fold_of(script.started(), script.decision("a"), script.outcome("a")).as_stuck()
    telling = teller(model.url)
    runs = [failed(), stuck, slow, completed()]
    model.behaviour = says(("It was so.", ["d1"]))

    assert ["llm:small"] * 3 + ["runweaver"] == [telling(run).narrator for run in runs]
    assert {"written": 3, "skipped": 1} == telling.results
    assert "llm:small" == teller(model.url, llm_runs="all")(completed()).narrator


def test_runs_that_read_the_same_are_told_each_by_itself(model: ModelServer, teller: Teller) -> None:
    """Their decisions have other ids."""
    telling = teller(model.url)
    model.behaviour = says(("It was so.", ["d1"]))
    runs = [fold_of(*_twin(number)) for number in range(2)]

    assert [["decision-0"], ["decision-1"]] == [telling(run).evidence[-1].decision_ids for run in runs]
    assert model.data[0] == model.data[1]


def _twin(number: int) -> list[str]:
    script, decision_id = Script(f"run-{number}"), f"decision-{number}"
    return [script.started(), script.decision(decision_id), script.outcome(decision_id), script.ended("failed")]
