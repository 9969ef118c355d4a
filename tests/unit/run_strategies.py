"""Whole runs, of few nodes, intents and options, so that much in them is alike."""

from typing import Any, TypeAlias

from hypothesis import strategies as st

from runweaver.shared import (
    Completeness,
    Decision,
    DecisionEvaluation,
    DecisionType,
    Option,
    Outcome,
    Problem,
    Run,
    RunMetrics,
    RunStatus,
)
from tests.unit.making import moment

_Strategy: TypeAlias = st.SearchStrategy[Any]

_NODES = st.sampled_from(["plan", "act"])
_PARAMETERS: _Strategy = st.sampled_from(
    [{}, {"id": "R-1"}, {"id": "R-2", "to": ["x", {"n": 1}]}, {"text": "Some words that were made up"}]
)
_TEXTS: _Strategy = st.none() | st.sampled_from(["", "R-1 is gone", "no\x1b[31m seats\nleft"]) | st.text(max_size=5)
_OPTIONS: _Strategy = st.lists(
    st.builds(
        Option,
        id=st.sampled_from(["a", "b", "c"]),
        description=st.sampled_from(["One way", "Another"]),
        action_params=_PARAMETERS,
        pros=st.lists(st.just("quick"), max_size=1),
        confidence=st.sampled_from([0.2, 0.5, 0.9]),
    ),
    max_size=3,
)
_OUTCOMES: _Strategy = st.none() | st.builds(
    Outcome,
    success=st.booleans(),
    error=_TEXTS,
    result=st.none() | _PARAMETERS | st.just("R-2"),
    summary=st.sampled_from(["", "done"]),
    timestamp=st.just(moment(60)),
)
_EVALUATIONS: _Strategy = st.none() | st.builds(
    DecisionEvaluation,
    goal_aligned=st.booleans(),
    better_option_id=st.sampled_from([None, "a", "z"]),
    why_better=_TEXTS,
    explanation=st.sampled_from(["", "It was late"]),
)


def decisions(prefix: str = "d", max_size: int = 8) -> _Strategy:
    """Decisions in order of time, with ids that begin so."""
    return st.lists(
        st.builds(
            Decision,
            id=st.just("?"),
            node_id=_NODES,
            intent=st.sampled_from(["Look", "Book", "Pay"]),
            decision_type=st.sampled_from([DecisionType.CUSTOM, DecisionType.RETRY_STRATEGY]),
            options=_OPTIONS,
            chosen_option_id=st.sampled_from([None, "a", "b", "c"]),
            outcome=_OUTCOMES,
            evaluation=_EVALUATIONS,
        ),
        max_size=max_size,
    ).map(
        lambda made: [
            decision.model_copy(update={"id": f"{prefix}{number}", "timestamp": moment(number)})
            for number, decision in enumerate(made)
        ]
    )


def problems() -> _Strategy:
    """Problems with and without a decision, a cause and a fix."""
    return st.lists(
        st.builds(
            Problem,
            id=st.just("?"),
            severity=st.sampled_from(["critical", "warning", "minor"]),
            description=st.sampled_from(["Odd", "Bad"]),
            root_cause=_TEXTS,
            decision_id=st.sampled_from([None, "d0", "d1", "d9"]),
            timestamp=st.integers(0, 9).map(moment),
            suggested_fix=_TEXTS,
        ),
        max_size=4,
    ).map(
        lambda made: sorted(
            (problem.model_copy(update={"id": f"p{number}"}) for number, problem in enumerate(made)),
            key=lambda problem: problem.timestamp,
        )
    )


@st.composite
def runs(draw: st.DrawFn, prefix: str = "d") -> Run:
    """A run of any status, with all that can be known of one."""
    made, status = draw(decisions(prefix)), draw(st.sampled_from(list(RunStatus)))
    succeeded = sum(decision.was_successful for decision in made)
    return Run(
        id=f"run-{prefix}",
        goal_id="goal",
        started_at=moment(0),
        status=status,
        completed_at=None if status is RunStatus.RUNNING else moment(100),
        last_activity_at=moment(100),
        decisions=made,
        problems=draw(problems()),
        metrics=RunMetrics(
            total_decisions=len(made),
            successful_decisions=succeeded,
            failed_decisions=sum(decision.has_failed for decision in made),
            edges_traversed=draw(st.lists(st.sampled_from(["plan->act", "act->plan", "act->act"]), unique=True)),
        ),
        completeness=draw(
            st.sampled_from([Completeness(), Completeness(missing=2, producers={"p": {"missing": 2, "dropped": 1}})])
        ),
        unmatched_outcomes=draw(st.lists(st.just("lost"), max_size=1)),
    )
