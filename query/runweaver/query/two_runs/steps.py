"""How two decisions differ that were after the same thing."""

from typing import Final

from runweaver.query.one_run.telling import result_of
from runweaver.query.two_runs.align import StepKey
from runweaver.query.two_runs.comparison import DivergenceKind
from runweaver.query.two_runs.parameters import differ_in_wording_only
from runweaver.shared.decision import Decision
from runweaver.shared.failures import choice_of, pursuit_of

#: Of an option whose parameters are a text that was generated, or the like.
_GENERATED: Final = "generate"


def key_of(decision: Decision) -> StepKey:
    """What a step is compared by."""
    # Where nothing was chosen, that is the same in both runs: its id is not.
    choice = choice_of(decision)[1:] if decision.chosen_option is not None else ()
    return StepKey(pursuit_of(decision), choice)


def kind_of(a: Decision, b: Decision) -> DivergenceKind | None:
    """How they differ; none where they do not, or in their wording only."""
    if not _chose_the_same(a, b):
        return DivergenceKind.CHOICE
    if key_of(a).choice != key_of(b).choice and not is_reworded(a, b):
        return DivergenceKind.PARAMETERS
    return DivergenceKind.RESULT if result_of(a) is not result_of(b) else None


def is_reworded(a: Decision, b: Decision) -> bool:
    """Whether they are the same choice but for the wording of a text."""
    left, right = a.chosen_option, b.chosen_option
    if left is None or right is None or not _chose_the_same(a, b) or key_of(a).choice == key_of(b).choice:
        return False
    if left.action_type == right.action_type == _GENERATED:
        return True
    return differ_in_wording_only(left.action_params, right.action_params)


def _chose_the_same(a: Decision, b: Decision) -> bool:
    left, right = a.chosen_option, b.chosen_option
    if left is None or right is None:
        return left is right and a.chosen_option_id == b.chosen_option_id
    if left.id != right.id:
        return False
    # An option without parameters is its description: ids such as `action` say nothing.
    return bool(left.action_params or right.action_params) or left.description == right.description
