"""Which known words a misspelt one may have been meant as."""

from __future__ import annotations

from collections.abc import Sequence

MOST_MEANT = 3
"""Words that one misspelt word stands for in a search."""


def meant(word: str, known: Sequence[tuple[str, int]]) -> list[str]:
    """The nearest of these words with how many documents each is in; the nearest first, then the more frequent.

    A word of up to four letters may be one slip away, a longer one two. A slip is a letter too many, too few, another, or two exchanged.
    """
    most = 1 if len(word) <= 4 else 2
    near = [(distance, -documents, other) for other, documents in known if (distance := slips(word, other, most)) <= most]
    if not near:
        return []
    nearest = min(near)[0]
    return [other for distance, _, other in sorted(near) if distance == nearest][:MOST_MEANT]


def slips(first: str, second: str, most: int) -> int:
    """How many slips lead from one word to the other; more than `most`: some number above it."""
    if abs(len(first) - len(second)) > most:
        return most + 1
    two_above: list[int] = []
    above = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        row = [i]
        for j, other in enumerate(second, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, two_above[j - 2] + 1)
            row.append(cost)
        if min(row) > most and min(above) > most:
            return most + 1
        two_above, above = above, row
    return above[-1]
