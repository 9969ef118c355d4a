"""What holds of whatever a language model is told of a run, and of whatever it answers."""

import json
from collections.abc import Sequence

from fuzz.examples import ENTRY_ID, RUN_ID
from runweaver.shared.admission import admit
from runweaver.shared.archive import StoredRun
from runweaver.shared.attention import attention_of
from runweaver.shared.errors import InvalidMessageError
from runweaver.shared.run import Run
from runweaver.shared.summary import RunSummary
from runweaver.worker import PlainNarrator
from runweaver.worker.llm.answer import LONGEST_SENTENCE, MOST_SENTENCES, Answer, Sentence, founded
from runweaver.worker.llm.plain_text import contradicts, links_in
from runweaver.worker.llm.prompt import write_prompt

_MOST_TOKENS = 1_500


def answer_is_believed_or_thrown_out(raws: Sequence[bytes], answered: Sequence[tuple[str, Sequence[str]]]) -> None:
    """What is told stays within its bounds and its form; what is believed is plain, short, and rests on the run."""
    run = _run_of(raws)
    prompt = write_prompt(run, PlainNarrator().narrate(run).evidence, attention_of(run), most_tokens=_MOST_TOKENS)
    assert prompt.tokens <= _MOST_TOKENS
    assert isinstance(json.loads(prompt.text), dict)
    assert not {"<", "\n"} & set(prompt.text)

    sentences = [Sentence(sentence=text, ids=list(ids)) for text, ids in answered]
    told = founded(Answer(sentences=sentences), prompt, run.status)
    assert len(told) <= MOST_SENTENCES
    known = {decision.id for decision in run.decisions} | {problem.id for problem in run.problems}
    for evidence in told:
        named = {*evidence.decision_ids, *evidence.problem_ids}
        assert named
        assert named <= known
        assert 0 < len(evidence.sentence) <= LONGEST_SENTENCE
        assert evidence.sentence.isprintable()
        assert links_in(evidence.sentence) <= prompt.links
        assert not contradicts(evidence.sentence, run.status)
    RunSummary.from_run(run, evidence=told).model_dump_json().encode()


def _run_of(raws: Sequence[bytes]) -> Run:
    stored = {}
    for position, raw in enumerate(raws):
        try:
            admitted = admit(raw, partition=0, entry_id=ENTRY_ID, position=position)
        except InvalidMessageError:
            continue
        stored[admitted.identity.encode()] = admitted.stored
    return StoredRun.read(RUN_ID, stored, None).fold()
