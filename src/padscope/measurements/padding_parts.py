"""The part that a site's padding plays at line 0: as given, with real values, or filled anew."""

from __future__ import annotations

from torch import Tensor

from padscope.measurements.batch_rows import BatchRows
from padscope.measurements.site_plan import SitePlan
from padscope.sites import Call, JoinedTaps, at_offset, filled, select_taps
from padscope.sites.fill_words import ZEROS

GIVEN, REAL, OWN, REFLECTED = "given", "real", "own", "reflected"


class PaddingParts:
    """Contributions of the taps in a site's padding, at the drawn positions of line 0.

    Which taps those are depends on the window alone, so each kind is worked out once, side by
    side: a line meets the padding of its own side with a part of the window only.
    """

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self._taps: dict[str, JoinedTaps] = {}
        self._areas: dict[str, int] = {}
        self._places: dict[str, Tensor] = {}
        self._rows = BatchRows([], [])

    @property
    def follows_fill(self) -> bool:
        """Whether it is known how the site's own padding is filled."""
        size = self._plan.window.size
        return filled(self._plan.site.fill, size, offset=size) is not None

    def prepare(self, rows: BatchRows) -> None:
        """Name the images to come, the first of a batch, and find where taps read on them."""
        self._rows = rows
        for kind in self._taps:
            self._find(kind)

    def _find(self, kind: str) -> None:
        self._places[kind] = self._rows.flat(self._taps[kind].index, self._areas[kind])

    def given(self, call: Call) -> Tensor | float:
        """Part of what the padding holds on the crop; (M, P, C), or 0 for zeros."""
        return 0.0 if call.operation.fill == ZEROS else self._sum(GIVEN, call)

    def real(self, call: Call) -> Tensor:
        """Part of the real values that stand in the padding's place on the canvas."""
        return self._sum(REAL, call)

    def filled(self, call: Call) -> Tensor | float:
        """Part of the site's own padding, filled from the canvas; 0 for zeros."""
        return 0.0 if call.operation.fill == ZEROS else self._sum(OWN, call)

    def reflected(self, call: Call) -> Tensor:
        """Part of padding that reflects the crop."""
        return self._sum(REFLECTED, call)

    def _sum(self, kind: str, call: Call) -> Tensor:
        if kind not in self._taps:
            self._taps[kind] = self._select(kind, call)
            self._areas[kind] = call.input[0, 0].numel()
            self._find(kind)
        return self._taps[kind].part_at(call.input, self._places[kind], self._rows.slots)

    def _select(self, kind: str, call: Call) -> JoinedTaps:
        crop = self._plan.window
        shape = tuple(call.input.shape[2:])
        offset = call.operation.offset
        if kind in (REAL, OWN):
            assert self._plan.alignment is not None
            shift = self._plan.alignment.shift_in
            offset = tuple(o + s for o, s in zip(offset, shift, strict=True))
        locate, value = at_offset(offset, shape), 0.0
        if kind in (OWN, REFLECTED):
            fill = "reflect" if kind == REFLECTED else call.operation.fill
            found = filled(fill, crop.size, offset)
            assert found is not None  # `follows_fill`
            locate, value = found
        assert call.weight is not None
        table = self._plan.positions.draws[0].table
        operation = self._plan.as_on_crop(call.operation)
        return JoinedTaps.of(
            [
                select_taps(operation, call.weight, table[:, span], shape, locate, value=value)
                for span in self._plan.lines
            ]
        )
