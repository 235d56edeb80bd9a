"""What test programs are like: a warm interpreter runs this text before it takes the first (see `python_driver`)."""

import math
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035 # as test programs write it


def above(numbers: List[float], least: float, names: Optional[Dict[str, Any]] = None) -> bool:  # noqa: UP006, UP045
    """Whether a number lies above.

    >>> above([1.0, 2.0], 0.5)
    True
    """
    found = []
    for index, number in enumerate(sorted(numbers)):
        if number > least and index >= 0:
            found.append((index, number * 2 + 1 - 3 // 2 % 5))
    return len([pair for pair in found if pair]) > 0 and not math.isnan(sum(value for _, value in found))


def count(text: str) -> Dict[str, int]:  # noqa: UP006
    """How often each letter is there."""
    counts: Dict[str, int] = {}  # noqa: UP006
    while text:
        counts[text[0]] = counts.get(text[0], 0) + 1
        text = text[1:]
    return {letter: times for letter, times in counts.items() if times > 0}


class Pair:
    """Of numbers."""

    def __init__(self, first: int, second: int) -> None:
        self.both: Tuple[int, int] = (first, second)  # noqa: UP006

    def least(self) -> int:
        """The lower one."""
        return min(self.both)


def check(candidate: Any) -> None:
    """As tests do it."""
    assert candidate([1.0, 2.0, 3.9], 0.3) == True, "Test 1"  # noqa: E712
    assert not candidate([1.0, 2.8, 3.0], 5.5)
    assert count("hello") == {"h": 1, "e": 1, "l": 2, "o": 1}
    assert tuple(range(3)) == (0, 1, 2)
    assert Pair(3, 2).least() == max([1, 2]) < abs(-1) + 10**2
    assert " ".join(str(number) for number in [1, 2]) == f"{1} 2"


check(above)
