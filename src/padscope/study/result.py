"""`Study`, the frozen result of all stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from padscope.errors import PadscopeError
from padscope.evidence import CANDIDATE, KINDS, STRONG, UNDECIDED_BAND
from padscope.scores import CONTENT, CONTENTS, recall_curves
from padscope.study.views import view
from padscope.tables import summarize, undecided

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from padscope.measurements import Counts
    from padscope.study.depth_result import Depth
    from padscope.study.explanation import Explanation
    from padscope.study.impact_result import Impact
    from padscope.study.kernels import Kernels
    from padscope.study.retrofit_result import Retrofit
    from padscope.study.sizes_result import Sizes
    from padscope.study.swaps_result import Swaps
    from padscope.study.tiles_result import Tiles

RESPONSES = {"candidate": CANDIDATE, "strong": STRONG}
RECOGNISES = "recognises"
CAUSES = ("confirmed", "grey", "rejected")
ORIGINS = ("nascent", "inherited", "both", "neither")


@dataclass(frozen=True)
class Portrait:
    """What a filter looks like.

    Attributes
    ----------
    site : str
    filter : int
    kernel : (C_in / groups, *kernel) array
        Its weights.
    mean_map : (*spatial) float32 array
        Its mean activation over the calibration images; long axes are thinned in the middle.
    """

    site: str
    filter: int
    kernel: NDArray[Any]
    mean_map: NDArray[np.float32]


@dataclass(frozen=True)
class Study:
    """What is known of a model's padding-aware neurons.

    Attributes
    ----------
    identity : dict
        Model, weights, images, settings and versions: what the results depend on.
    model, images : str
        A line for people about each.
    size : tuple of int
        Pixels of the images per spatial axis.
    sites, filters, sides : polars.DataFrame
        Their columns are described in `padscope.tables.schema`, and by ``padscope columns``.
    counted : Counts
        The counts behind the scores.
    portraits : sequence of Portrait
        The filters that respond most, strongest first.
    explanation : Explanation or None
        The second rung, once `explain` has climbed it.
    invocation : dict
        How the command line was told of the model and the images, for its later stages.
    impact : Impact or None
        The third rung, once `impact` has climbed it.
    kernels : mapping
        Scored site → kernels of its filters; empty for runs of versions that did not keep them.
    missing : tuple of str
        What a damaged run directory lacks, in sentences.
    depth : Depth or None
        How deep padding reaches, once `depth` has measured it.
    swaps : Swaps or None
        What other padding does, once `swaps` has measured it.
    sizes : Sizes or None
        What other input sizes do, once `sizes` has measured it.
    tiles : Tiles or None
        What tiles take to equal the whole, once `tiles` has tried.
    retrofit : Retrofit or None
        What tuned padding is worth, as `retrofit` has found; of a run that was read, without the
        weights.
    warnings : tuple of str
        Why the network may not be what it is taken for, as far as its weights tell. Those of an
        explanation, which rest on images too, take their place.
    """

    identity: dict[str, Any]
    model: str
    images: str
    size: tuple[int, ...]
    sites: pl.DataFrame
    filters: pl.DataFrame
    sides: pl.DataFrame
    counted: Counts
    portraits: Sequence[Portrait]
    explanation: Explanation | None = None
    invocation: dict[str, Any] = field(default_factory=dict)
    impact: Impact | None = None
    kernels: Mapping[str, Kernels] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    depth: Depth | None = None
    swaps: Swaps | None = None
    sizes: Sizes | None = None
    tiles: Tiles | None = None
    retrofit: Retrofit | None = None

    def pans(
        self,
        *,
        label: str | None = None,
        kind: str | None = None,
        origin: str | None = None,
        side: str | None = None,
        site: str | None = None,
    ) -> pl.DataFrame:
        """Select filters by the evidence for them, strongest first.

        Parameters
        ----------
        label : str, optional
            ``candidate`` and ``strong``, KS at least .5 and .8, are of the first rung;
            ``confirmed``, ``grey`` and ``rejected``, see `evidence.causes`, of the second;
            ``recognises``, see `evidence.recognition`, of the third. Left out: ``recognises`` if
            the study is explained, else ``candidate``.
        kind : str, optional
            One of `evidence.KINDS`.
        origin : {"nascent", "inherited", "both", "neither"}, optional
            At the strongest side, or at `side`.
        side : str, optional
            Only those with the label at this side; the columns are then those of `sides`.
        site : str, optional
            Only those of one site.

        Raises
        ------
        PadscopeError
            There is no such label, kind, origin, side or site, or it takes an explanation that
            the study does not have.
        """
        label = label or (RECOGNISES if self.explanation else "candidate")
        known = (*RESPONSES, *CAUSES, RECOGNISES)
        self._check("label", label, known, explained=label not in RESPONSES)
        table = self.filters if side is None else self.sides
        for column, wanted in (("side", side), ("site", site)):
            if wanted is not None:
                table = table.filter(pl.col(column) == wanted)
                if table.is_empty():
                    raise PadscopeError(f"no {column} {wanted!r} was scored")
        if kind is not None:
            self._check("kind", kind, KINDS, explained=True)
            same = self.filters.filter(pl.col("kind") == kind).select("site", "filter")
            table = table.join(same, on=["site", "filter"], how="semi")
        if origin is not None:
            self._check("origin", origin, ORIGINS, explained=True)
            table = table.filter(pl.col("origin") == origin)
        if label in RESPONSES:
            table, order = table.filter(pl.col("ks") >= RESPONSES[label]), "ks"
        elif label == RECOGNISES:
            table = table.filter(pl.col(RECOGNISES))
            order = "recall" if side is None else "border_recall"
        else:
            table, order = table.filter(pl.col("label") == label), "causal_ks"
        return table.sort(order, "site", "filter", descending=[True, False, False], nulls_last=True)

    def _check(self, what: str, value: str, known: Sequence[str], *, explained: bool) -> None:
        if value not in known:
            raise PadscopeError(f"{what} {value!r} is not known; choose from {', '.join(known)}")
        if explained and self.explanation is None:
            raise PadscopeError(
                f"{what} {value!r} needs an explanation; run padscope explain, or "
                "padscope.explain(study, model, images), first"
            )

    def card(self, site: str, index: int) -> Any:
        """Show one filter, with all that is known of it.

        Parameters
        ----------
        site : str
        index : int
            Of the filter.

        Returns
        -------
        padscope.notebook.FilterCard
            In a notebook, a drawn card; elsewhere its `facts`.

        Raises
        ------
        PadscopeError
            There is no such site or filter.
        """
        return view("card", self, site, index)

    def plot(self, name: str) -> Any:
        """Draw a figure as an Altair chart, which notebooks show and `chart.save` writes.

        Parameters
        ----------
        name : str
            One of ``padscope.figures.FIGURES``, as of ``padscope figure``; or ``SITE/FILTER``.

        Returns
        -------
        altair.Chart

        Raises
        ------
        PadscopeError
            There is no such figure, or the study lacks what it shows.
        """
        return view("plot", self, name)

    def log_to(self, client: Any, step: int | None = None) -> None:
        """Log the counts, the figure of the network's depth and the page to a tracker.

        Parameters
        ----------
        client : SummaryWriter, wandb.Run, trackio.Run, or the module mlflow
            TensorBoard has no place for the page, and is given the sentences that it opens with.
        step : int, optional
            Of a training, say.

        Raises
        ------
        PadscopeError
            The client is none of these.
        """
        view("log_to", self, client, step)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, api: Any = None) -> str:
        """Write the run and its page as a data set repository of the Hugging Face hub.

        They hold small pictures of the first images. `padscope.load_study` reads a copy of the
        repository.

        Parameters
        ----------
        repo_id : str
            ``OWNER/NAME``; made if it is missing.
        private : bool, optional
            As of `huggingface_hub.HfApi.create_repo`.
        api : huggingface_hub.HfApi, optional
            For a token or an address of one's own.

        Returns
        -------
        str
            The address of the repository.

        Raises
        ------
        PadscopeError
            The extra ``hf`` is not installed, or the hub refuses.
        """
        return str(view("push_to_hub", self, repo_id, private=private, api=api))

    def counts_of(self, site: str) -> Counts:
        """Return the counts behind a site's scores: of the explanation, once it has scored it."""
        if self.explanation and site in self.explanation.counts.bins:
            return self.explanation.counts
        return self.counted

    @property
    def contents(self) -> tuple[float, ...]:
        """Shares of the content at which recall is drawn, ascending; recognising asks at one."""
        return tuple(sorted({*CONTENTS, self.content}))

    @property
    def content(self) -> float:
        """Share of the content that may pass a filter's threshold."""
        return self.explanation.content if self.explanation else CONTENT

    def recall_curves(
        self, site: str, filters: NDArray[np.int64], sides: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return border recall of N filters, at one side each, at all `contents`: (N, K)."""
        counts = self.counts_of(site)
        near, real = counts.near(site), counts.near_real(site)
        return recall_curves(near, real, sides, filters, self.contents)

    @property
    def next(self) -> str:
        """What to run to learn more; "" if all stages are done."""
        return f"run padscope {self.next_stage} first" if self.next_stage else ""

    @property
    def next_stage(self) -> str:
        """``explain`` or ``impact``, whichever comes next; "" if all stages are done."""
        if self.explanation is None:
            return "explain"
        return "" if self.impact else "impact"

    def __repr__(self) -> str:
        """Summarise the study in a few lines."""
        return "\n".join([f"Study of {self.model!r} on {self.images!r}", *view("opening", self)])

    def _repr_html_(self) -> str:
        """Summarise the study for a notebook."""
        return str(view("summary", self))

    def summary(self) -> pl.DataFrame:
        """One row per scored site; see `padscope.tables.summarize`."""
        return summarize(self.sites, self.filters, self.sides)

    def undecided(self) -> tuple[int, int]:
        """Count the filters left open at the cut by the images: beyond the margin, and in all."""
        return undecided(self.sides, CANDIDATE, UNDECIDED_BAND)
