"""The `runweaver` command, and what it says where its libraries are missing."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from runweaver.console.cli import run  # noqa: PLC0415 - only here can its absence be told in a sentence
    except ModuleNotFoundError as error:
        print(  # noqa: T201
            f"runweaver: {error.name} is not installed: the command needs pip install 'runweaver[console]'",
            file=sys.stderr,
        )
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
