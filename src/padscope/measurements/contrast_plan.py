"""What to look at when a crop is contrasted with a canvas around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from padscope.measurements.site_plan import SitePlan
from padscope.regions import Draw, Layout, Positions, SampleSize
from padscope.running.model import as_input
from padscope.sites import (
    Alignment,
    Interception,
    Observation,
    Site,
    Visitor,
    align,
    choose_margin,
    observe,
)
from padscope.tallies import border_streams, streams_of, streams_under
from padscope.tallies.names import NEAR, PADDED

TRIALS = (64, 96, 160, 224)  # margins, in pixels, from which total strides are read
NO_CANVAS = "the model runs on inputs of one size only"


@dataclass(frozen=True)
class ContrastPlan:
    """What to look at in a model.

    Attributes
    ----------
    observation : Observation
        Of the crop.
    size, margin : tuple of int
        Of the crop, and of the real context at each end, in pixels per axis; no margin (zeros)
        where there is no canvas.
    sites : dict
        Name → plan, of the padded sites that get scores.
    elsewhere : dict
        Name → plan, of convolutions without padding, which can only inherit a signal.
    static_batch : int or None
        The only number of images the model takes at once, if there is one.
    homes : frozenset of str or None
        Modules within which all operations ran, on the crop and on the canvas; see `Observation`.
    """

    observation: Observation
    size: tuple[int, ...]
    margin: tuple[int, ...]
    sites: dict[str, SitePlan]
    elsewhere: dict[str, SitePlan]
    static_batch: int | None = None
    homes: frozenset[str] | None = None

    @property
    def plans(self) -> dict[str, SitePlan]:
        """Those of padded sites, then the others."""
        return self.sites | self.elsewhere

    @property
    def below_autograd(self) -> bool:
        """Whether any site lies in scripted code."""
        return any(plan.site.below_autograd for plan in self.plans.values())

    def interception(self, model: nn.Module, visitor: Visitor) -> Interception:
        """Have a visitor see what was planned, in the least expensive way."""
        return self.observation.interception(
            model, visitor, below_autograd=self.below_autograd, within=self.homes
        )

    def light(self) -> ContrastPlan:
        """Return the plan for a change of the margin: line 0 and core of the padded sites alone."""
        sites = {
            name: replace(
                plan, streams=border_streams(plan.layout, core=True), pseudo=None,
                positions=_near(plan.positions),
                on_canvas=plan.on_canvas and _near(plan.on_canvas),
            )
            for name, plan in self.sites.items()
        }  # fmt: skip
        return replace(self, sites=sites, elsewhere={})

    def of_crops(self, sample: SampleSize) -> ContrastPlan:
        """Return the plan for a baseline: line 0 and core of the crop, at positions of its own."""
        planner = _SitePlanner(sample)
        sites = {name: planner.near(plan.site) for name, plan in self.sites.items()}
        return replace(self, sites=sites, elsewhere={})


def _near(positions: Positions) -> Positions:
    return Positions(positions.layout, positions.draws[:1])


def plan_scan(
    observation: Observation,
    size: Sequence[int],
    sample: SampleSize,
    static_batch: int | None = None,
) -> ContrastPlan:
    """Draw positions on the maps of all sites that get scores, to be looked at as they are.

    Parameters
    ----------
    observation : Observation
        Of an image.
    size : sequence of int
        Pixels of an image per axis.
    sample : SampleSize
        How many positions are drawn.
    static_batch : int, optional
        The only number of images the model takes at once, if there is one.
    """
    planner = _SitePlanner(sample)
    sites = {site.name: planner.scanned(site) for site in observation.sites if site.scored}
    none = (0,) * len(size)
    return ContrastPlan(observation, tuple(size), none, sites, {}, static_batch, observation.homes)


def find_margin(model: nn.Module, crop: Observation, image: Tensor) -> int | None:
    """Find how much real context a model needs; None if it runs on no larger input.

    Parameters
    ----------
    model : nn.Module
    crop : Observation
        Of the crop.
    image : (1, C, *spatial) Tensor
        The crop.
    """
    best: tuple[int, int] | None = None
    for trial in TRIALS:
        size = [n + 2 * trial for n in image.shape[2:]]
        example = torch.zeros(()).expand(2, image.shape[1], *size)  # which takes no memory
        canvas = observe(model, as_input(model, example), partial=True)
        if not canvas.sites:
            return None
        margin = (trial,) * len(size)
        padded, apart = _count_apart(crop, canvas, margin)
        if padded == len(crop.sites):
            continue
        chosen = choose_margin(crop, canvas, margin)
        if not apart:
            return chosen
        if best is None or apart < best[0]:
            best = apart, chosen
    return best[1] if best else None


def _count_apart(crop: Observation, canvas: Observation, margin: Sequence[int]) -> tuple[int, int]:
    """Count the operations that do not align: padded ones, and in all.

    What is not padded counts if its map grows: behind a patch embedding that is out of step with
    the crop's, padded sites align with maps that do not.
    """
    names = {site.name: site for site in (*canvas.sites, *canvas.unpadded)}

    def apart(site: Site) -> bool:
        return isinstance(align(site, names.get(site.name), margin), str)

    padded = sum(map(apart, crop.sites))
    growing = (
        site
        for site in crop.unpadded
        if site.name in names and names[site.name].window.out != site.window.out
    )
    return padded, padded + sum(map(apart, growing))


def plan_contrast(
    crop: Observation,
    canvas: Observation | None,
    size: Sequence[int],
    margin: Sequence[int],
    sample: SampleSize,
    unusable: Mapping[str, str],
    static_batch: int | None = None,
) -> ContrastPlan:
    """Align the sites of a crop and a canvas, and draw positions on the crop's maps.

    Parameters
    ----------
    crop, canvas : Observation
        None for the canvas if there is none.
    size, margin : sequence of int
        Pixels per axis.
    sample : SampleSize
        How many positions are drawn.
    unusable : mapping
        Site name → why its real context must not be used, though it is aligned.
    static_batch : int, optional
        The only number of images the model takes at once, if there is one.
    """
    on_canvas = {s.name: s for s in (*canvas.sites, *canvas.unpadded)} if canvas else {}
    sites, elsewhere, planner = {}, {}, _SitePlanner(sample)
    for site in (*crop.sites, *crop.unpadded):
        if not site.scored or site.filters == 0:
            continue
        aligned: Alignment | str = NO_CANVAS
        if site.name in unusable:
            aligned = unusable[site.name]
        elif canvas:
            aligned = align(site, on_canvas.get(site.name), margin)
        layout = _layout_of(site)
        if site.window.padded:
            sites[site.name] = planner.padded(site, layout, aligned)
        elif layout.sides and isinstance(aligned, Alignment):
            elsewhere[site.name] = planner.unpadded(site, layout, aligned)
    homes = crop.homes
    if canvas and homes is not None:
        homes = None if canvas.homes is None else homes | canvas.homes
    return ContrastPlan(crop, tuple(size), tuple(margin), sites, elsewhere, static_batch, homes)


def _layout_of(site: Site) -> Layout:
    extent = tuple((len(before), len(after)) for before, after in site.contact)
    return Layout(site.map_size, extent)


class _SitePlanner:
    """Plans sites; positions are drawn once for all that look at the same."""

    def __init__(self, sample: SampleSize) -> None:
        self._sample = sample
        self._drawn: dict[tuple[Layout, int], Positions] = {}

    def scanned(self, site: Site) -> SitePlan:
        layout = _layout_of(site)
        drawn, streams = self._draw(site, layout), streams_under(layout, (PADDED,))
        return SitePlan(site, None, "", drawn, None, None, streams, fitted=None)

    def near(self, site: Site) -> SitePlan:
        whole = self.scanned(site)
        near = tuple(stream for stream in whole.streams if stream.part == NEAR)
        return replace(whole, positions=_near(whole.positions), streams=near)

    def padded(self, site: Site, layout: Layout, aligned: Alignment | str) -> SitePlan:
        alignment, reason = (None, aligned) if isinstance(aligned, str) else (aligned, "")
        drawn = self._draw(site, layout)
        streams = streams_of(layout, real_context=alignment is not None)
        if alignment is None:
            pseudo = self._sample.draw_pseudo_borders(layout, site.filters)
            return SitePlan(site, None, reason, drawn, None, pseudo, streams)
        moved = _translated(drawn, alignment)
        return SitePlan(site, alignment, reason, drawn, moved, None, streams)

    def unpadded(self, site: Site, layout: Layout, alignment: Alignment) -> SitePlan:
        drawn = self._draw(site, layout)
        streams = border_streams(layout, core=False)
        moved = _translated(drawn, alignment)
        return SitePlan(site, alignment, "", drawn, moved, None, streams)

    def _draw(self, site: Site, layout: Layout) -> Positions:
        key = layout, site.filters if site.window.padded else 0
        if key not in self._drawn:
            self._drawn[key] = (
                self._sample.draw(layout, site.filters)
                if site.window.padded
                else self._sample.draw_lines(layout)
            )
        return self._drawn[key]


def _translated(positions: Positions, alignment: Alignment) -> Positions:
    """Find the same positions on the canvas's map."""
    crop, canvas, shift = alignment.crop.out, alignment.canvas.out, alignment.shift_out

    def moved(draw: Draw) -> Draw:
        along = np.unravel_index(draw.table, crop)
        shifted = [place + step for place, step in zip(along, shift, strict=True)]
        return Draw(draw.fold_interval, np.ravel_multi_index(shifted, canvas), draw.spans)

    return Positions(positions.layout, tuple(map(moved, positions.draws)))
