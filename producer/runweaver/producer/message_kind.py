"""What an agent gave, checked as the shared schemas say, but without making objects of them.

A model is made to be looked at. Here, what was given is checked, written and forgotten, on the agent's time: plain
dictionaries cost it half as much, and have nothing that was not given. Their schemas are derived from the models, so
that a rule stands in one place.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, NotRequired, Required, Union, get_args, get_origin

from pydantic import BaseModel, Field, InstanceOf, SerializeAsAny, TypeAdapter, ValidationError
from pydantic_core import CoreConfig, SchemaSerializer
from typing_extensions import TypedDict

from runweaver.shared.decision import Option
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.messages import (
    BaseMessage,
    DecisionMessage,
    EdgeMessage,
    EvaluationMessage,
    HeartbeatMessage,
    OutcomeMessage,
    ProblemMessage,
    ProducerLeftMessage,
    RunEndedMessage,
    RunStartedMessage,
)

#: Written in front of what the agent gave, and nothing that an agent gives.
_ENVELOPE: Final = frozenset({"v", "type", "run_id", "producer", "seq"})

#: How pydantic calls the two ways to give an option. Nobody who reads an error needs to know.
_WAYS: Final = frozenset({"Option", "json-or-python[json=Option,python=is-instance[Option]]"})

#: Where a decision was taken, in agents that have no graph of nodes.
DEFAULT_NODE: Final = "agent"

#: A checked message without its envelope, in the form of the schema, with what was given and no defaults.
Fields = dict[str, Any]


class MessageKind:
    """One kind of message, and how a producer makes one."""

    def __init__(self, model: type[BaseMessage], *, is_essential: bool = False) -> None:
        """Derive what is needed from the shared model.

        Args:
            model: what a worker reads such a message as.
            is_essential: whether a run cannot be understood without it: it is dropped last.
        """
        self.model = model
        self.name = str(model.model_fields["type"].default)
        self.is_essential = is_essential
        adapter: TypeAdapter[Fields] = TypeAdapter(_as_typed_dict(model))
        # The adapter's own serializer would not know how bytes are to be written.
        self.serializer = SchemaSerializer(
            adapter.core_schema, CoreConfig(ser_json_bytes=model.model_config["ser_json_bytes"])
        )
        self._validate = adapter.validator.validate_python

    def build(self, given: Mapping[str, Any]) -> Fields:
        """Check what an agent gave.

        Raises:
            InvalidArgumentError: it says which argument, and what is wrong with it.
        """
        try:
            fields: Fields = self._validate(given)
        except ValidationError as error:
            raise InvalidArgumentError(_told(error)) from None
        except Exception as error:
            raise InvalidArgumentError(f"an argument cannot be read: {safe_repr(error):.100}") from error
        return fields


def check_choice(chosen: str, options: Sequence[Option | Fields]) -> None:
    """Check that one of the options of a decision, as `MessageKind.build` gives them, was chosen.

    Raises:
        InvalidArgumentError: there is none of that id.
    """
    ids = [option["id"] if isinstance(option, dict) else option.id for option in options]
    if chosen not in ids:
        known = ", ".join(ids) or "there are none"
        raise InvalidArgumentError(f"chosen: {chosen!r} is not the id of one of the options ({known})")


def safe_repr(value: object) -> str:
    """Its `repr`, or else its type: whatever an object does when it is asked who it is, the agent goes on."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}>"


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(step) for step in problem['loc'] if step not in _WAYS)}: {problem['msg']}, "
        f"got {safe_repr(problem['input']):.100}"
        for problem in error.errors()
        # That a dictionary is no object of ours is not what is wrong with it.
        if not (problem["type"] == "is_instance_of" and isinstance(problem["input"], Mapping))
    )


@cache
def _as_typed_dict(model: type[BaseModel]) -> Any:
    """The same fields with the same rules, for dictionaries that stay dictionaries."""
    fields = {
        name: (Required if field.is_required() else NotRequired)[_without_models(field.annotation, *field.metadata)]
        for name, field in model.model_fields.items()
        if name not in _ENVELOPE
    }
    # A type checker knows only those that stand in the source.
    make: Any = TypedDict
    typed_dict = make(model.__name__, fields)
    typed_dict.__pydantic_config__ = model.model_config
    return typed_dict


def _without_models(annotation: Any, *metadata: Any) -> Any:
    if metadata:
        return Annotated[(_without_models(annotation), *metadata)]
    if annotation is Option:
        # What agents may hand over as an object, too. It is written as what it is: trying one way of writing it after
        # the other takes three times as long.
        ways: Any = Union[(_as_typed_dict(Option), InstanceOf[Option])]  # noqa: UP007
        as_what_it_is: Any = SerializeAsAny
        return as_what_it_is[Annotated[ways, Field(union_mode="left_to_right")]]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _as_typed_dict(annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (None, Annotated, Literal):
        return annotation
    return (Union if origin is UnionType else origin)[tuple(map(_without_models, inner))]


RUN_STARTED: Final = MessageKind(RunStartedMessage, is_essential=True)
DECISION: Final = MessageKind(DecisionMessage)
OUTCOME: Final = MessageKind(OutcomeMessage, is_essential=True)
EVALUATION: Final = MessageKind(EvaluationMessage)
PROBLEM: Final = MessageKind(ProblemMessage, is_essential=True)
EDGE: Final = MessageKind(EdgeMessage)
HEARTBEAT: Final = MessageKind(HeartbeatMessage)
PRODUCER_LEFT: Final = MessageKind(ProducerLeftMessage, is_essential=True)
RUN_ENDED: Final = MessageKind(RunEndedMessage, is_essential=True)
