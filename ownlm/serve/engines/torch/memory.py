"""Where a network keeps what it has read: room for each text under way, and a tree of texts read before.

Rooms are used again: fresh memory of some tens of megabytes costs a page fault for every 4 kB of it, which is as long
as a token takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ownlm.serve.engines.torch.attention import Part
from ownlm.serve.engines.torch.network import Network
from ownlm.serve.engines.torch.prefix_tree import Match, PrefixTree

STEP = 64
"""Rooms have so many positions, or a multiple of it."""

FREE_ROOMS = 8
"""So many rooms wait to be used again."""


class Reading:
    """How far a network has read a text.

    Attributes:
        length: tokens whose keys and values are in the room.
        room: of the text, [layers, 2, S, K, H].
        match: what of it lies in the tree, and must stay there.
    """

    def __init__(self, room: Tensor, match: Match) -> None:
        self.room, self.match = room, match
        self.length = match.length
        match.copy_to(room)

    def part(self, tokens: Sequence[int], wanted: int) -> Part:
        """The next tokens, for a pass of the network; counts them as read."""
        part = Part(tokens, self.length, self.room, wanted)
        self.length += len(tokens)
        return part

    def cut(self, length: int) -> None:
        """Forget what was read after so many tokens."""
        self.length = min(self.length, length)


class Memory:
    """A network's texts.

    Args:
        network: that reads.
        budget: bytes of keys and values of texts that are not under way.
    """

    def __init__(self, network: Network, budget: int) -> None:
        self._network = network
        self._tree = PrefixTree(budget)
        self._free: list[Tensor] = []

    @property
    def bytes(self) -> int:
        """Of the texts kept."""
        return self._tree.bytes

    def known(self, tokens: Sequence[int]) -> int:
        """How many tokens of a text's beginning are known."""
        match = self._tree.match(tokens)
        match.release()
        return match.length

    def open(self, tokens: Sequence[int], capacity: int) -> Reading:
        """Begin a text, with what is known of `tokens` read already.

        Args:
            tokens: all that may be taken from memory.
            capacity: positions it may come to.
        """
        return Reading(self._room(capacity), self._tree.match(tokens))

    def keep(self, reading: Reading, tokens: Sequence[int]) -> None:
        """Remember a text as far as it is read, at least until it is closed."""
        known = tokens[: reading.length]
        self._tree.insert(known, reading.room)
        reading.match.release()
        reading.match = self._tree.match(known)

    def close(self, reading: Reading) -> None:
        """End a text; its room may be used again."""
        reading.match.release()
        if len(self._free) < FREE_ROOMS:
            self._free.append(reading.room)

    def _room(self, capacity: int) -> Tensor:
        fitting = [room for room in self._free if room.shape[2] >= capacity]
        if fitting:
            room = min(fitting, key=lambda room: room.shape[2])
            self._free = [other for other in self._free if other is not room]
            return room
        return self._network.room(-(-capacity // STEP) * STEP)
