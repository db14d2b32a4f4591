"""The Merkle tree of RFC 6962: which parts of it a root and each proof are made of. Pure.

A part is a span of leaves (first, after). Whoever keeps the leaves says what each part's hash is;
each is put together from whole subtrees of 2^height leaves, which never change once they are full.
"""

from collections.abc import Sequence
from hashlib import sha256

from server.audit.verifier import leaf_hash, node_hash

__all__ = ["EMPTY", "Frontier", "consistency", "fold", "inclusion", "leaf_hash", "whole", "wholes"]

EMPTY = sha256(b"").digest()
Span = tuple[int, int]


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def inclusion(index: int, size: int) -> list[Span]:
    """The spans whose hashes prove that a leaf stands at `index` of a tree of `size` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path: list[Span] = []
    first, after = 0, size
    while after - first > 1:
        middle = first + _split(after - first)
        if index < middle:
            path.append((middle, after))
            after = middle
        else:
            path.append((first, middle))
            first = middle
    return path[::-1]


def consistency(old: int, new: int) -> list[Span]:
    """The spans whose hashes prove that a tree of `new` leaves begins with that of `old`."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} does not begin with one of {old}")
    path: list[Span] = []
    first, after = 0, new
    while old < after:
        middle = first + _split(after - first)
        if old <= middle:
            path.append((middle, after))
            after = middle
        else:
            path.append((first, middle))
            first = middle
    if first:
        path.append((first, after))
    return path[::-1]


def wholes(first: int, after: int) -> list[tuple[int, int]]:
    """The whole subtrees of a span, as (height, number), from the left."""
    found = []
    while first < after:
        height = (after - first).bit_length() - 1
        found.append((height, first >> height))
        first += 1 << height
    return found


def whole(hashes: Sequence[bytes]) -> bytes:
    """The root of a whole subtree, from the hashes of one of its layers."""
    layer = list(hashes)
    while len(layer) > 1:
        layer = [node_hash(*layer[at : at + 2]) for at in range(0, len(layer), 2)]
    return layer[0]


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of a span from those of its whole subtrees."""
    if not hashes:
        return EMPTY
    *rest, found = hashes
    for left in reversed(rest):
        found = node_hash(left, found)
    return found


class Frontier:
    """A tree that leaves are added to, of which only the right edge is kept."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        found, size = leaf, self.size
        while size & 1:
            found = node_hash(self._edge.pop(), found)
            size >>= 1
        self._edge.append(found)
        self.size += 1

    def root(self) -> bytes:
        return fold(self._edge)
