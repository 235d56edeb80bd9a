"""How alike two texts are, by the edits that turn one into the other."""

from __future__ import annotations


def levenshtein(one: str, other: str) -> int:
    """The fewest insertions, deletions and replacements of characters that turn `one` into `other`.

    Bit-parallel: a column of the table of distances is two integers (Myers 1999, in the form of Hyyrö 2003), so the
    cost is len(other) operations on integers of len(one) bits.
    """
    if not one:
        return len(other)
    whole, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    places: dict[str, int] = {}
    for index, letter in enumerate(one):
        places[letter] = places.get(letter, 0) | 1 << index
    rises, falls, distance = whole, 0, len(one)  # vertical differences of +1 and -1, and the last row's value
    for letter in other:
        equal = places.get(letter, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal
        across_up = falls | (whole & ~(diagonal | rises))
        across_down = rises & diagonal
        distance += bool(across_up & last) - bool(across_down & last)
        across_up = (across_up << 1 | 1) & whole
        down = equal | falls
        rises = ((across_down << 1) & whole) | (whole & ~(down | across_up))
        falls = across_up & down
    return distance


def edit_similarity(one: str, other: str) -> float:
    """1 - distance / length of the longer text: 1 for equal texts, 0 for texts with nothing in common."""
    longest = max(len(one), len(other))
    return 1.0 if longest == 0 else 1.0 - levenshtein(one, other) / longest
