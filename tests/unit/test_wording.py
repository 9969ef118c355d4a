"""Numbers as people say them."""

import pytest

from runweaver.shared.wording import spell_duration


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (12_340, "12.3 s"),
        (59_900, "59.9 s"),
        (60_000, "1 min 0 s"),
        (250_000, "4 min 10 s"),
        (3_599_400, "59 min 59 s"),
        (3_599_600, "1 h 0 min"),
        (7_500_000, "2 h 5 min"),
        (3_600_000_000, "1,000 h 0 min"),
        (59_960, "1 min 0 s"),
        (3_600_000 * 10**399, f"1{',000' * 133} h 0 min"),
    ],
)
def test_a_duration(milliseconds: int, expected: str) -> None:
    """In the two units that matter at its size."""
    assert expected == spell_duration(milliseconds)
