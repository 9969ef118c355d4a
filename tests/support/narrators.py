"""Narrators of somebody else's, to be plugged in."""

from runweaver.shared import Run


class Haiku:
    """Short, and not able to tell every run."""

    def narrate(self, run: Run) -> str:
        if run.id == "fails":
            raise RuntimeError("no inspiration")
        return f"{run.id} ran, and is done"
