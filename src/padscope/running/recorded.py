"""Rows and sums: the state of measurements that look at every image by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from padscope.counts import plural
from padscope.images import Batch, Skipped
from padscope.running.loop import Packed
from padscope.running.spans import Spans
from padscope.running.sums import Node, PairwiseSums, Sums


@dataclass(frozen=True)
class Findings:
    """What is found on one batch.

    Attributes
    ----------
    rows : mapping
        Name → (images, …) Tensor: one entry per image. Entries of all batches are kept.
    sums : mapping
        Name → Tensor of any one shape. Those of all batches are added up, in float64 or int64.
    images : mapping
        Name of rows that only some of the images have → these, ascending, by their indices.
    """

    rows: Mapping[str, Tensor] = field(default_factory=dict)
    sums: Mapping[str, Tensor] = field(default_factory=dict)
    images: Mapping[str, Sequence[int]] = field(default_factory=dict)


# From a batch with at least one image; it must depend on the batch alone.
Look = Callable[[Batch], Findings]
Draft = dict[str, Tensor]


@runtime_checkable
class Resumable(Protocol):
    """A `Look` that can be gone on with within a unit, which may take minutes."""

    @property
    def draft(self) -> Draft:
        """All that is found of a unit whenever the `Pulse` is called; empty when it is done.

        It is filled again before the same unit is given again.
        """
        ...


@dataclass(frozen=True)
class Recorded:
    """What was found so far; a `State`.

    Attributes
    ----------
    done, skipped, complete
        See `State`.
    indices : tuple of int
        The images measured, ascending, in the order of the rows.
    rows : dict
        Name → (images, …) Tensor.
    added : PairwiseSums
        Sums, in the making.
    drafts : dict
        Unit that is not done → what a `Resumable` look has found of it.
    of_some : dict
        Name of rows that only some of the images have → these, ascending; see `images_of`.
    """

    done: Spans = field(default_factory=Spans)
    indices: tuple[int, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    rows: dict[str, Tensor] = field(default_factory=dict)
    added: PairwiseSums = field(default_factory=PairwiseSums)
    complete: bool = False
    drafts: dict[int, Draft] = field(default_factory=dict)
    of_some: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """How many images were measured."""
        return len(self.indices)

    def images_of(self, name: str) -> tuple[int, ...]:
        """Give the images that rows of a name are of, ascending."""
        return self.of_some.get(name, self.indices)

    @property
    def sums(self) -> dict[str, Tensor]:
        """Name → Tensor, over all images."""
        return self.added.total()

    def merge(self, other: Recorded) -> Recorded:
        """Join what was found on some images with what was found on others."""
        if self.rows and other.rows and self.rows.keys() != other.rows.keys():
            raise ValueError("states with other rows were measured in different ways")
        order = _ascending(self.indices, other.indices)
        parts = [part for part in (self, other) if part.rows]
        rows = {
            name: _joined([(part.images_of(name), part.rows[name]) for part in parts])
            for name in (parts[0].rows if parts else ())
        }
        done = self.done.merge(other.done)
        drafts = self.drafts | other.drafts
        return Recorded(
            done,
            order,
            tuple(sorted((*self.skipped, *other.skipped), key=lambda skip: skip.index)),
            rows,
            self.added.merge(other.added),
            self.complete or other.complete,
            {unit: draft for unit, draft in drafts.items() if unit not in done},
            {
                name: _ascending(*(part.images_of(name) for part in parts))
                for name in {**self.of_some, **other.of_some}
            },
        )

    def blank(self) -> Recorded:
        """Return a state without images: workers share nothing."""
        return Recorded()

    def finished(self) -> Recorded:
        """Return the state of a run that has come to its end."""
        return replace(self, complete=True)

    def pack(self) -> Packed:
        """Take the state apart."""
        tensors = {f"rows/{name}": rows for name, rows in self.rows.items()}
        nodes = []
        for node in sorted(self.added.nodes):
            sums = self.added.nodes[node]
            nodes.append([*node, list(sums)])
            tensors |= {f"sums/{node[0]}/{node[1]}/{name}": part for name, part in sums.items()}
        for unit, draft in self.drafts.items():
            tensors |= {f"drafts/{unit}/{name}": part for name, part in draft.items()}
        facts = {
            "done": [list(span) for span in self.done.spans],
            "images": list(self.indices),
            "skipped": [[skip.index, skip.name, skip.reason] for skip in self.skipped],
            "complete": self.complete,
            "rows": list(self.rows),
            "of_some": {name: list(images) for name, images in self.of_some.items()},
            "sums": nodes,
            "drafts": [[unit, list(draft)] for unit, draft in self.drafts.items()],
        }
        return Packed(tensors, facts)

    @classmethod
    def unpack(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Recorded:
        """Put a state together again."""
        nodes: dict[Node, Sums] = {
            (level, place): {name: tensors[f"sums/{level}/{place}/{name}"] for name in names}
            for level, place, names in facts["sums"]
        }
        return cls(
            Spans(tuple((first, stop) for first, stop in facts["done"])),
            tuple(facts["images"]),
            tuple(Skipped(*skip) for skip in facts["skipped"]),
            {name: tensors[f"rows/{name}"] for name in facts["rows"]},
            PairwiseSums(nodes),
            facts["complete"],
            {
                unit: {name: tensors[f"drafts/{unit}/{name}"].clone() for name in names}
                for unit, names in facts.get("drafts", ())
            },
            {name: tuple(images) for name, images in facts.get("of_some", {}).items()},
        )


def _ascending(*images: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(itertools.chain(*images)))


def _joined(parts: Sequence[tuple[tuple[int, ...], Tensor]]) -> Tensor:
    """Put rows of several parts in the order of their images."""
    indices = [image for images, _ in parts for image in images]
    rows = torch.cat([values for _, values in parts])
    order = sorted(range(len(indices)), key=indices.__getitem__)
    return rows if order == list(range(len(indices))) else rows[order]


class Recording:
    """Keeps what is found on every batch; a `Measurement`.

    Parameters
    ----------
    look : callable
        See `Look`.
    """

    ready = True

    def __init__(self, look: Look) -> None:
        self._look = look
        self._state, self._new = Recorded(), list[Recorded]()
        self._drafts: dict[int, Draft] = {}
        self.images = 0

    def load(self, state: Recorded) -> None:
        """Go on from a state."""
        self._state, self._new, self.images = replace(state, drafts={}), [], state.images
        self._drafts = {**state.drafts}

    def update(self, batch: Batch) -> None:
        """Look at a batch."""
        if isinstance(self._look, Resumable):
            self._look.draft.clear()
            self._look.draft.update(self._drafts.get(batch.unit, {}))
            self._drafts[batch.unit] = self._look.draft
        found = self._look(batch) if batch.indices else Findings()
        self._drafts.pop(batch.unit, None)
        for name, found_rows in found.rows.items():
            images = len(found.images.get(name, batch.indices))
            if len(found_rows) != images:
                raise ValueError(
                    f"{name} has {plural(len(found_rows), 'row')} for {plural(images, 'image')}"
                )
        rows = {name: rows.detach().cpu() for name, rows in found.rows.items()}
        some = {name: tuple(images) for name, images in found.images.items()}
        self._new.append(
            Recorded(
                Spans.of([batch.unit]), tuple(batch.indices), batch.skipped, rows, of_some=some
            )
        )
        # Sums are added at once: of many units they would fill the memory.
        added = self._state.added.merge(PairwiseSums.of(batch.unit, found.sums))
        self._state = replace(self._state, added=added)
        self.images += len(batch.indices)

    def state(self) -> Recorded:
        """Join what was found."""
        while len(self._new) > 1:  # in pairs: rows are copied log n times instead of n times
            pairs = zip(self._new[::2], self._new[1::2], strict=False)
            rest = self._new[-1:] if len(self._new) % 2 else []
            self._new = [*(one.merge(next_one) for one, next_one in pairs), *rest]
        for new in self._new:
            self._state = self._state.merge(new)
        self._new = []
        drafts = {
            unit: {name: part.clone() for name, part in draft.items()}
            for unit, draft in self._drafts.items()
            if draft
        }
        return replace(self._state, drafts=drafts)
