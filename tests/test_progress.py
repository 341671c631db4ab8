"""How far work is: counted to the last pass, and with a time left that comes true."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.test_impact import EXPLAINED, SIZE, Net, canvases
from tests.test_impact_resume import SETTINGS, after

from padscope import RunDirectory, ScanSettings, Study, explain, impact, scan
from padscope.console.progress import Pace
from padscope.errors import Interrupted
from padscope.images import central

STOPS = {"scan": 3, "explain": 3, "impact": 40}  # times asked whether to stop


class Reports:
    """Keeps what a stage reports."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int | None, left: float | None) -> None:
        assert total is not None and left is not None
        self.all.append((done, total))


def stages() -> dict[str, Callable[..., Study]]:
    """Every stage of one run: takes what is known so far, and the options of a stage."""
    pixels = central(canvases(), (SIZE, SIZE), "canvases")
    return {
        "scan": lambda _, **given: scan(
            Net(), pixels, ScanSettings(batch_size=4, calibrate=4), **given
        ),
        "explain": lambda study, **given: explain(study, Net(), canvases(), EXPLAINED, **given),
        "impact": lambda study, **given: impact(
            study, Net(), canvases(), settings=SETTINGS, **given
        ),
    }


def test_bars_are_true_from_the_first_pass_to_the_last_and_after_a_stop(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run", every=0)
    study = None
    for name, stage in stages().items():
        first, then = Reports(), Reports()
        with pytest.raises(Interrupted):
            stage(study, journal=run, progress=first, stop=after(STOPS[name]))
        study = stage(study, journal=run, progress=then)
        run.save(study)
        assert first.all[0][0] <= 0.2 * first.all[0][1], name
        before, (begun, _) = first.all[-1][0], then.all[0]
        assert 0 < begun <= before, name  # what was kept is not done again
        for reports in (first, then):
            done = [each for each, _ in reports.all]
            assert done == sorted(done), name
            assert all(each <= total for each, total in reports.all), name
        assert then.all[-1][0] == then.all[-1][1], name
        assert abs(then.all[-1][1] - first.all[0][1]) <= 0.05 * first.all[0][1], name


@pytest.mark.parametrize("seconds", [40, 600, 4000])
@pytest.mark.parametrize("before", [0, 3000])
@pytest.mark.parametrize("dear", [1, 3])
def test_the_time_left_comes_true(
    monkeypatch: pytest.MonkeyPatch, seconds: float, before: int, dear: int
) -> None:
    """Reports of few passes and of many, on a machine that others use now and then.

    Passes of the second half cost more.
    """
    rng, now, reports = random.Random(seconds), 0.0, [(0.0, before)]
    half = before + 1000

    def cost(done: int) -> int:
        return done + (dear - 1) * max(0, done - half)

    while reports[-1][1] < before + 2000:
        passes = rng.randint(1, 16)
        busy = 1.2 if (now // 7) % 3 == 0 else 1.0
        done = min(before + 2000, reports[-1][1] + passes)
        spent = cost(done) - cost(reports[-1][1])
        now += spent * seconds / 2000 * busy * rng.uniform(0.7, 1.3)
        reports.append((now, done))
    end, total = reports[-1]
    monkeypatch.setattr("padscope.console.progress.time.monotonic", lambda: now)
    pace, looked = Pace(), 0
    for now, done in reports[:-1]:
        pace.report(done, cost(total) - cost(done))
        if done - before >= 200 and end - now > 0.02 * seconds:
            assert pace.seconds_left == pytest.approx(end - now, rel=0.3)
            looked += 1
    assert looked > 100


def test_the_pace_is_that_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("padscope.console.progress.time.monotonic", lambda: now)
    pace, done = Pace(), 0
    for second in range(400):
        now = float(second)
        done += 10 if second < 300 else 2
        pace.report(done, 4398 - done)
    assert pace.told() == "2.0/s, 10 min left"
    now, done = now + 1, 4398
    pace.report(done, 0)
    assert pace.told().endswith(", 0 s left")
    pace.report(done, None)
    assert "left" not in pace.told()
