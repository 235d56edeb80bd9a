"""Keys and values of texts read before, found again by their tokens: a radix tree (SGLang's RadixAttention, arXiv
2312.07104).

    (root) ─ "import os\\ndef " ─┬─ "main(" ...          a node holds the tokens on its edge and
                                 └─ "read(path" ─┬─ ...   their keys and values; a path from the root is a text
                                                 └─ ...

Two texts that begin alike share the nodes of their beginning. Where a new text leaves an edge, the edge is split. Over
the budget, the leaves that were not used for longest go first. A node under a text that is being continued (`Match`)
stays.

Everything is copied in and out, so a node's size is what it holds, and nobody writes into it. One thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

SPARE = 0.9
"""Over the budget, so much of it is kept: leaves are looked for once, not at every text."""


class _Node:
    """An edge and what lies below it.

    Attributes:
        tokens: on the edge; the root has none.
        kept: their keys and values, [layers, 2, tokens, K, H]; None at the root.
        parent: above; None at the root.
        children: by their first token.
        users: matches that hold this node or one below it.
        used: when it was last matched or added.
    """

    __slots__ = ("children", "kept", "parent", "tokens", "used", "users")

    def __init__(self, tokens: tuple[int, ...], kept: Tensor | None, parent: _Node | None, used: int) -> None:
        self.tokens, self.kept, self.parent, self.used = tokens, kept, parent, used
        self.children: dict[int, _Node] = {}
        self.users = 0

    @property
    def bytes(self) -> int:
        return 0 if self.kept is None else self.kept.numel() * self.kept.element_size()


class Match:
    """The longest known beginning of a text. Its nodes stay in the tree until `release`.

    Attributes:
        length: tokens that are known.
    """

    def __init__(self, node: _Node, pieces: list[tuple[Tensor, int]]) -> None:
        self._node: _Node | None = node
        self._pieces = pieces  # looked at right after the match, before the tree changes
        self.length = sum(count for _, count in pieces)
        for above in _upwards(node):
            above.users += 1

    def copy_to(self, room: Tensor) -> None:
        """Put the known keys and values into a text's room, [layers, 2, S, K, H]; right after `match`."""
        start = 0
        for kept, count in self._pieces:
            room[:, :, start : start + count] = kept[:, :, :count]
            start += count

    def release(self) -> None:
        """Let go of the nodes; a second time does nothing."""
        if self._node is not None:
            for above in _upwards(self._node):
                above.users -= 1
        self._node, self._pieces = None, []


class PrefixTree:
    """Texts, as far as `budget` bytes go.

    Attributes:
        bytes: of all keys and values kept.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._root = _Node((), None, None, 0)
        self._clock = 0
        self.bytes = 0

    def match(self, tokens: Sequence[int]) -> Match:
        """What is known of the beginning of `tokens`."""
        self._clock += 1
        text, place, node = tuple(tokens), 0, self._root
        pieces: list[tuple[Tensor, int]] = []
        while place < len(text) and (child := node.children.get(text[place])) is not None:
            common = _common(child.tokens, text, place)
            assert child.kept is not None
            pieces.append((child.kept, common))
            child.used = self._clock
            place, node = place + common, child
            if common < len(child.tokens):
                break
        return Match(node, pieces)

    def insert(self, tokens: Sequence[int], room: Tensor) -> None:
        """Keep a text.

        Args:
            tokens: of the text.
            room: their keys and values, [layers, 2, at least as many, K, H]; what is new is copied.
        """
        self._clock += 1
        text, place, node = tuple(tokens), 0, self._root
        while place < len(text):
            child = node.children.get(text[place])
            if child is None:
                self._add(node, text[place:], room[:, :, place : len(text)])
                break
            common = _common(child.tokens, text, place)
            if common < len(child.tokens):
                child = self._split(child, common)
            child.used = self._clock
            place, node = place + common, child
        if self.bytes > self._budget:
            self._evict()

    def check(self) -> None:
        """Assert what must always hold; for tests."""
        total = 0
        for node in self._nodes():
            total += node.bytes
            assert (node.parent is None) == (node is self._root)
            assert all(first == child.tokens[0] and child.parent is node for first, child in node.children.items())
            assert node.users >= sum(child.users for child in node.children.values())
            assert node.kept is None or node.kept.shape[2] == len(node.tokens)
        assert total == self.bytes

    def _add(self, parent: _Node, tokens: tuple[int, ...], kept: Tensor) -> None:
        node = _Node(tokens, kept.clone(), parent, self._clock)
        parent.children[tokens[0]] = node
        self.bytes += node.bytes

    def _split(self, node: _Node, place: int) -> _Node:
        """Cut an edge in two; the upper part is new, so that a match of the node still holds both."""
        assert node.kept is not None
        assert node.parent is not None
        upper = _Node(node.tokens[:place], node.kept[:, :, :place].clone(), node.parent, node.used)
        upper.users = node.users
        node.parent.children[node.tokens[0]] = upper
        node.tokens, node.kept, node.parent = node.tokens[place:], node.kept[:, :, place:].clone(), upper
        upper.children[node.tokens[0]] = node
        return upper

    def _evict(self) -> None:
        goal = int(self._budget * SPARE)
        while self.bytes > goal:
            leaves = [node for node in self._nodes() if node.parent and not node.children and not node.users]
            if not leaves:
                return
            for leaf in sorted(leaves, key=lambda node: node.used):
                assert leaf.parent is not None
                del leaf.parent.children[leaf.tokens[0]]
                self.bytes -= leaf.bytes
                if self.bytes <= goal:
                    return

    def _nodes(self) -> Iterator[_Node]:
        left = [self._root]
        while left:
            node = left.pop()
            left += node.children.values()
            yield node


def _upwards(node: _Node) -> Iterator[_Node]:
    above: _Node | None = node
    while above is not None:
        yield above
        above = above.parent


def _common(edge: tuple[int, ...], text: tuple[int, ...], place: int) -> int:
    """How many tokens of an edge the text has from `place` on."""
    here = text[place : place + len(edge)]
    if here == edge:
        return len(edge)
    return next((count for count, pair in enumerate(zip(edge, here, strict=False)) if pair[0] != pair[1]), len(here))
