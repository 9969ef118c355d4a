"""Fuzzes one target until its time is over: what `python -m fuzz` runs for each, in a process of its own."""

import logging
import sys

import atheris


def main() -> None:
    """Take the target's name and then what libFuzzer takes."""
    name, *options = sys.argv[1:]
    # What is found bad is also logged: not a line for each of millions of inputs.
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["runweaver"]):
        from fuzz.targets import TARGETS  # noqa: PLC0415 - only what is imported in here is watched
    atheris.Setup([f"fuzz-{name}", *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
