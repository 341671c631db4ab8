"""What the command line shows: tables of sites and results, and the progress of long work."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.console.answers import answer_lines
    from padscope.console.budget import QUESTIONS, Budget
    from padscope.console.progress import show_progress
    from padscope.console.sentences import (
        cause_lines,
        impact_lines,
        summary_lines,
        verdict_lines,
    )
    from padscope.console.sites import describe_sites
    from padscope.console.terminal import make_console, write_anything

__all__ = [
    "QUESTIONS",
    "Budget",
    "answer_lines",
    "cause_lines",
    "describe_sites",
    "impact_lines",
    "make_console",
    "show_progress",
    "summary_lines",
    "verdict_lines",
    "write_anything",
]

__getattr__, __dir__ = lazily(__name__)
