"""Questions to a feedback store: what came of completions, by whatever says where they came from.

    groups = sums(store, ("arm", "user"), where={"experiment": "longer"}, since=time.time() - 7 * 86400)
    groups[("B", person)].accepted / groups[("B", person)].shown

A choice counts at the time of its completion, and once, however many events it has. It was shown when there is any
event of it: who accepts has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ownlm.live.feedback.facts import read
from ownlm.live.feedback.store import Store
from ownlm.live.feedback.sums import DIMENSIONS, Dimension, Groups, OriginDimension, Sums

__all__ = ["DIMENSIONS", "Dimension", "Groups", "OriginDimension", "Sums", "sums"]


def sums(
    store: Store,
    by: Sequence[Dimension],
    *,
    where: Mapping[OriginDimension, str] | None = None,
    since: float | None = None,
    until: float | None = None,
    latencies: bool = True,
) -> Groups:
    """What came of completions, in groups.

    Args:
        store: an open one.
        by: what groups differ in; a group's key has their values in this order. () for one group of all.
        where: only completions with these values.
        since: only completions from then on, seconds since 1970.
        until: only completions before then.
        latencies: also count latencies; many groups (users) come faster without.

    Raises:
        ValueError: a dimension is unknown.
        StorageError: the database refuses.
    """
    unknown = [name for name in (*by, *(where or ())) if name not in DIMENSIONS]
    if unknown:
        raise ValueError(f"no dimension: {', '.join(unknown)}")
    return read(store, by, where=where, since=since, until=until, latencies=latencies).groups(by)
