"""The part that a site's padding plays at line 0: as given, with real values, or filled anew."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from padscope.engines.site_plan import SitePlan
from padscope.sites import Call, JoinedTaps, at_offset, filled, select_taps
from padscope.sites.padding import ZEROS

GIVEN, REAL, OWN, REFLECTED = "given", "real", "own", "reflected"


class SiteParts:
    """Contributions of the taps in a site's padding, at the drawn positions of line 0.

    Which taps those are depends on the window alone, so each kind is worked out once, side by
    side: a line meets the padding of its own side with a part of the window only.
    """

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self._taps: dict[str, JoinedTaps | None] = {}

    def given(self, call: Call, slots: Sequence[int]) -> Tensor | float:
        """Part of what the padding holds on the crop; (M, P, C), or 0 for zeros."""
        if call.operation.fill == ZEROS:
            return 0.0
        return self._sum(GIVEN, call, slots)

    def real(self, call: Call, slots: Sequence[int]) -> Tensor:
        """Part of the real values that stand in the padding's place on the canvas."""
        return self._sum(REAL, call, slots)

    def filled(self, call: Call, slots: Sequence[int]) -> Tensor | float | None:
        """Part of the site's own padding, filled from the canvas; None if the fill is unknown."""
        if call.operation.fill == ZEROS:
            return 0.0
        taps = self._get(OWN, call)
        return None if taps is None else taps.part(call.input, range(len(slots)), slots)

    def reflected(self, call: Call, slots: Sequence[int]) -> Tensor:
        """Part of padding that reflects the crop."""
        return self._sum(REFLECTED, call, slots)

    def _sum(self, kind: str, call: Call, slots: Sequence[int]) -> Tensor:
        taps = self._get(kind, call)
        assert taps is not None
        return taps.part(call.input, range(len(slots)), slots)

    def _get(self, kind: str, call: Call) -> JoinedTaps | None:
        if kind not in self._taps:
            self._taps[kind] = self._select(kind, call)
        return self._taps[kind]

    def _select(self, kind: str, call: Call) -> JoinedTaps | None:
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
            if found is None:
                return None
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
