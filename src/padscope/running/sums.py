"""Sums of floating-point numbers that come out the same in any order and any split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

Sums = Mapping[str, Tensor]
Node = tuple[int, int]  # level and place: units from place · 2^level, 2^level of them


@dataclass(frozen=True)
class PairwiseSums:
    """Sums over units, added up in pairs of neighbours, pairs of pairs, and so on.

    Which numbers are added to which depends on the units alone, so rounding does not depend on who
    worked them out, nor in which order. Of n neighbouring units no more than 2 log2(n) sums are
    kept. Pairwise addition also rounds less than adding one after the other.

    Attributes
    ----------
    nodes : dict
        (level, place) → name → float64 or int64 Tensor. No two nodes are a pair.

    References
    ----------
    Higham, SIAM J. Sci. Comput. 14 (1993) 783-799.

    Examples
    --------
    >>> one, two, three = (PairwiseSums.of(u, {"x": torch.tensor([1.0])}) for u in range(3))
    >>> sums = three.merge(one).merge(two)
    >>> sorted(sums.nodes), sums.total()
    ([(0, 2), (1, 0)], {'x': tensor([3.], dtype=torch.float64)})
    """

    nodes: dict[Node, Sums] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: int, parts: Sums) -> PairwiseSums:
        """Take what one unit gave, on any device."""
        return cls({(0, unit): {name: _precise(part) for name, part in parts.items()}})

    def merge(self, other: PairwiseSums) -> PairwiseSums:
        """Add up the sums of both, which share no unit."""
        nodes = dict(self.nodes)
        for node, sums in other.nodes.items():
            while (pair := (node[0], node[1] ^ 1)) in nodes:
                left, right = nodes.pop(pair), sums
                if pair[1] > node[1]:
                    left, right = right, left
                node, sums = (node[0] + 1, node[1] >> 1), _added(left, right)
            nodes[node] = sums
        return PairwiseSums(nodes)

    def total(self) -> dict[str, Tensor]:
        """Add up all there is, from the first unit to the last."""
        total: Sums = {}
        for _, sums in sorted(self.nodes.items(), key=lambda item: item[0][1] << item[0][0]):
            total = _added(total, sums)
        return dict(total)


def _precise(part: Tensor) -> Tensor:
    part = part.detach().cpu()
    return part.to(torch.float64 if part.is_floating_point() else torch.int64)


def _added(left: Sums, right: Sums) -> Sums:
    """Add by name; what one of them lacks is the other's."""
    both = dict(left)
    for name, part in right.items():
        both[name] = both[name] + part if name in both else part
    return both
