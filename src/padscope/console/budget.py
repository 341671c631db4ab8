"""What the work will take, said before it is done: images, forward passes, time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property

from padscope.console.progress import duration
from padscope.counts import plural
from padscope.study import Progress
from padscope.study.stages import (
    COST,
    COUNTED,
    DEPTH,
    EXPLAIN,
    IMPACT,
    RETROFIT,
    SCAN,
    SIZES,
    SWAPS,
    StageWork,
)

TITLES = {
    SCAN: "scan", EXPLAIN: "explanation", IMPACT: "impact", DEPTH: "depth", RETROFIT: "retrofit",
    SWAPS: "swaps", SIZES: "sizes",
}  # fmt: skip
QUESTIONS = {
    SCAN: "which filters respond to the border",
    EXPLAIN: "which responses padding causes",
    IMPACT: "whether the model uses them",
    DEPTH: "how deep padding reaches",
    RETROFIT: "whether other padding can be made to do better",
    SWAPS: "what other padding does",
    SIZES: "what other input sizes do",
}


class Budget:
    """Says what a stage takes when it begins, and before the first of several what all take.

    Parameters
    ----------
    time_pass : callable
        Gives the seconds of a bare forward pass of one image; None if that is not known. Called
        when a stage has something to do, and once.
    expected : mapping
        Stage → what it will take, as far as that is known; of a command of several stages.
    """

    def __init__(
        self, time_pass: Callable[[], float | None], expected: Mapping[str, StageWork] | None = None
    ) -> None:
        self._time_pass = time_pass
        self._expected = {**(expected or {})}

    @cached_property
    def pass_seconds(self) -> float | None:
        """Seconds of a bare forward pass of one image, measured once; None if not known."""
        return self._time_pass()

    def announcing(self, stage: str, progress: Progress) -> Progress:
        """Say what a stage takes as soon as it is known, and go on with its progress."""
        begun = False

        def report(done: int, total: int | None, left: float | None) -> None:
            nonlocal begun
            if not begun and total is not None and left and done < total:
                for line in self.lines(stage, done, total, left):
                    print(line, file=sys.stderr, flush=True)
            begun = True
            progress(done, total, left)

        return report

    def lines(self, stage: str, done: int, total: int, cost: float) -> list[str]:
        """Say what a stage takes of which so much is done, and before the first what all take."""
        left = f"{total - done:,} more" if done and stage != EXPLAIN else f"{total - done:,}"
        time = self._time(stage, cost)
        told = f"Now the {TITLES[stage]} ({QUESTIONS[stage]}): {left} {COUNTED[stage]}"
        own = f"{told}{f', about {duration(time)}' if time is not None else ''}."
        first = next(iter(self._expected), None)
        return [self.whole(), own] if stage == first and len(self._expected) > 1 else [own]

    def whole(self) -> str:
        """Say what all stages take: ``About 2 min for 96 images: scan 2 s, …``."""
        most = max(work.images for work in self._expected.values())
        parts, seconds = [], 0.0
        for stage, work in self._expected.items():
            time, part = self._time(stage, work.effort.cost), TITLES[stage]
            if time is not None:
                seconds += time
                part += f" {duration(time)}"
            if stage != SCAN:
                part += f" ({work.effort.passes / most:.0f} passes an image)"
            parts.append(part)
        about = f"About {duration(seconds)} for" if seconds else "For"
        return f"{about} {plural(most, 'image')}: {', '.join(parts)}."

    def _time(self, stage: str, cost: float) -> float | None:
        return None if self.pass_seconds is None else self.pass_seconds * COST[stage] * cost
