"""What a model answers, and what of that is believed."""

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from runweaver.shared.decision import Decision
from runweaver.shared.evidence import MOST_NAMED, Evidence
from runweaver.shared.run import Problem, RunStatus
from runweaver.worker.llm.plain_text import contradicts, links_in, plain_text
from runweaver.worker.llm.prompt import Prompt

#: More sentences are left out.
MOST_SENTENCES: Final = 8
#: Longer ones are left out: cut, they might say something else.
LONGEST_SENTENCE: Final = 400


class Sentence(BaseModel):
    """One sentence on the run."""

    sentence: str
    #: Of the decisions and problems that show that it is so.
    ids: list[str]


class Answer(BaseModel):
    """What the model is asked for: sentences, each with ids of what it rests on."""

    sentences: list[Sentence]


def founded(answer: Answer, prompt: Prompt, status: RunStatus) -> list[Evidence]:
    """The sentences that rest on something that the model was shown, in order.

    One is thrown out where it names nothing that it rests on, or anything that the model was not shown; where it is
    longer than 400 characters, or holds markup or a link that the model was not shown; and where it plainly says that
    the run ended in another way than it did.
    """
    return list(_founded(answer, prompt, status))[:MOST_SENTENCES]


def _founded(answer: Answer, prompt: Prompt, status: RunStatus) -> Iterator[Evidence]:
    told = set()
    for each in answer.sentences:
        text = plain_text(each.sentence)
        if text is None or not 0 < len(text) <= LONGEST_SENTENCE or text in told:
            continue
        if contradicts(text, status) or not links_in(text) <= prompt.links:
            continue
        if (evidence := _grounds(text, each.ids, prompt)) is not None:
            told.add(text)
            yield evidence


def _grounds(text: str, ids: Sequence[str], prompt: Prompt) -> Evidence | None:
    named = {each.strip() for each in ids}
    if not named or not named <= prompt.decisions.keys() | prompt.problems.keys():
        return None
    # In order of time, as they are shown.
    decisions: list[Decision] = [decision for id_, decision in prompt.decisions.items() if id_ in named]
    problems: list[Problem] = [problem for id_, problem in prompt.problems.items() if id_ in named]
    evidence = Evidence.of_decisions(text, decisions)
    evidence.problem_ids = [problem.id for problem in problems[:MOST_NAMED]]
    return evidence
