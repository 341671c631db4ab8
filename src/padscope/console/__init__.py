"""What the command line shows: tables of sites and results, and the progress of long work."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.console.answers import answer_lines
    from padscope.console.budget import QUESTIONS, Budget
    from padscope.console.causes import cause_lines, cause_listing, network_listing
    from padscope.console.depth import depth_lines, depth_listing
    from padscope.console.impact import effect_listing, impact_lines, measure_listing
    from padscope.console.progress import show_progress
    from padscope.console.responses import (
        describe_sites,
        describe_uneven,
        site_listing,
        summary_lines,
        summary_listing,
    )
    from padscope.console.terminal import make_console, write_anything
    from padscope.console.verdicts import verdict_lines

__all__ = [
    "QUESTIONS",
    "Budget",
    "answer_lines",
    "cause_lines",
    "cause_listing",
    "depth_lines",
    "depth_listing",
    "describe_sites",
    "describe_uneven",
    "effect_listing",
    "impact_lines",
    "make_console",
    "measure_listing",
    "network_listing",
    "show_progress",
    "site_listing",
    "summary_lines",
    "summary_listing",
    "verdict_lines",
    "write_anything",
]

__getattr__, __dir__ = lazily(__name__)
