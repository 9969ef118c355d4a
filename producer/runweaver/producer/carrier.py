"""How one process tells another which run it works for: in a header, or in an environment variable."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from runweaver.producer.message_kind import safe_repr
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.fields import is_identifier

#: The header of an HTTP request, a message or a job.
HEADER: Final = "runweaver-run"
#: The environment variable of a process.
VARIABLE: Final = "RUNWEAVER_RUN"

Carrier = Mapping[str, str]


class CarriedRun(NamedTuple):
    """What a carrier says."""

    run_id: str
    #: Whether the run is told; none: nobody said.
    is_sampled: bool | None


def carried(run_id: str, *, is_sampled: bool) -> str:
    """The value of the header, and of the variable."""
    return f"{run_id};sampled={is_sampled:d}"


def check_run_id(run_id: str) -> str:
    """Check that there can be such a run.

    Raises:
        InvalidArgumentError: there cannot.
    """
    if not isinstance(run_id, str) or not is_identifier(run_id):
        raise InvalidArgumentError(
            f"run_id: {safe_repr(run_id):.250} may have up to 200 of the characters A-Z a-z 0-9 . _ : @ / + -, and no "
            "others"
        )
    return run_id


def read_carrier(carrier: str | Carrier) -> CarriedRun:
    """Tell which run a carrier names.

    Args:
        carrier: a run id, the value of a header, or a mapping that has it: headers, in any case, or `os.environ`.

    Raises:
        InvalidArgumentError: it names none, or one that there cannot be.
    """
    if isinstance(carrier, str):
        return _parsed(carrier)
    if not isinstance(carrier, Mapping):
        raise InvalidArgumentError(f"run_id: {safe_repr(carrier):.100} is neither a run id nor a mapping that has one")
    for name, value in carrier.items():
        if isinstance(name, str) and isinstance(value, str) and _plain(name) == HEADER:
            return _parsed(value)
    raise InvalidArgumentError(f"run_id: the mapping has neither a header {HEADER} nor a variable {VARIABLE}")


def _plain(name: str) -> str:
    """As the header is called, whether it comes from HTTP, from WSGI or from the environment."""
    return name.lower().replace("_", "-").removeprefix("http-")


def _parsed(value: str) -> CarriedRun:
    run_id, *parameters = (part.strip() for part in value.split(";"))
    check_run_id(run_id)
    # What a later version says besides is passed over.
    said = {"sampled=1": True, "sampled=0": False}
    return CarriedRun(run_id, next((said[parameter] for parameter in parameters if parameter in said), None))
