"""Padding-aware neurons while a network is trained: a scan of the same images every few steps."""

from __future__ import annotations

from typing import Any

import polars as pl
from torch import nn

from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, STRONG
from padscope.settings import ScanSettings
from padscope.study.scan import scan


class TrainingWatch:
    """Scans a fixed set of images every so many steps of a training, and keeps the counts.

    It needs no framework. In a loop of one's own, call it with model and step; as a callback of
    Lightning or of the Trainer of transformers it takes part in what these call, and ignores all
    but the end of a step. The model comes back as it was, and so does every random number.

    Parameters
    ----------
    images : Images, folder, or (N, C, ...) tensor
        As of `scan`, the same at every step.
    every : int
        Steps from one scan to the next.
    settings : ScanSettings, optional

    Attributes
    ----------
    rows : list of dict
        See `table`.

    Raises
    ------
    PadscopeError
        `every` is less than 1.

    Examples
    --------
    >>> watch = TrainingWatch(probe, every=500)  # doctest: +SKIP
    >>> for step, batch in enumerate(batches):  # doctest: +SKIP
    ...     train_on(batch)
    ...     watch(model, step)
    """

    def __init__(self, images: Any, every: int, settings: ScanSettings | None = None) -> None:
        if every < 1:
            raise PadscopeError(f"every is {every}; give 1 or more steps")
        self.images, self.every, self.settings = images, every, settings
        self.rows: list[dict[str, int]] = []

    def __call__(self, model: nn.Module, step: int) -> None:
        """Scan, if it is time to: at steps that `every` divides, each of them once."""
        if step % self.every or (self.rows and self.rows[-1]["step"] == step):
            return
        study = scan(model, self.images, self.settings or ScanSettings())
        ks = study.filters["ks"].drop_nulls().drop_nans()
        self.rows.append(
            {
                "step": step,
                "measured": len(ks),
                "candidates": int((ks >= CANDIDATE).sum()),
                "strong": int((ks >= STRONG).sum()),
            }
        )

    def table(self) -> pl.DataFrame:
        """Give the counts so far.

        Columns: ``step``, ``measured`` filters, ``candidates`` (KS at least .5) and ``strong`` ones
        (.8) among them.
        """
        return pl.DataFrame(
            self.rows, schema=dict.fromkeys(("step", "measured", "candidates", "strong"), pl.Int64)
        )

    def on_train_batch_end(self, trainer: Any, module: nn.Module, *_: Any, **__: Any) -> None:
        """Take part in a training by Lightning."""
        self(module, trainer.global_step)

    def on_step_end(
        self, _args: Any, state: Any, _control: Any, *, model: nn.Module, **_: Any
    ) -> None:
        """Take part in a training by transformers."""
        self(model, state.global_step)

    def __getattr__(self, name: str) -> Any:
        """Answer every other call of a framework with nothing."""
        if name.startswith("on_") or name in ("setup", "teardown"):
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _nothing(*_: Any, **__: Any) -> None:
    pass
