"""The faces of Runweaver: the `runweaver` command and its demo."""

__all__: list[str] = []
