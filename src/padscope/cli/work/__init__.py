"""What the commands call, imported when they do: help and completion need none of it."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.cli.figures import replace_figures
    from padscope.cli.given import Given, default_directory, load, look_at, nearest_even, reopen
    from padscope.cli.stages import Stages, close, publish, say_answers, tell
    from padscope.console import (
        depth_lines,
        describe_sites,
        describe_uneven,
        make_console,
        show_progress,
        verdict_lines,
    )
    from padscope.console.columns import column_listing
    from padscope.console.show import show_filter, show_study
    from padscope.figures import render_figure, render_figures
    from padscope.findings.bound import check_recognising
    from padscope.findings.comparison import (
        compare,
        comparison_json,
        comparison_lines,
        comparison_listing,
        kind_listing,
        kinds_found,
        take,
    )
    from padscope.findings.depth import depth_listing
    from padscope.findings.json import SCHEMA, as_json, neuron_json, plain
    from padscope.findings.neuron import neuron
    from padscope.findings.sites import site_listing
    from padscope.report.comparison import comparison_markdown, render_comparison
    from padscope.running import find_runner
    from padscope.sites.census import is_uneven
    from padscope.store import RunDirectory, load_study, write_atomically
    from padscope.study import check_answer, measure_depth
    from padscope.study.budget import THOROUGH_IMPACT, USUAL_IMPACT, expect_audit
    from padscope.tables import site_table
    from padscope.tables.schema import TABLES

__all__ = [
    "SCHEMA",
    "TABLES",
    "THOROUGH_IMPACT",
    "USUAL_IMPACT",
    "Given",
    "RunDirectory",
    "Stages",
    "as_json",
    "check_answer",
    "check_recognising",
    "close",
    "column_listing",
    "compare",
    "comparison_json",
    "comparison_lines",
    "comparison_listing",
    "comparison_markdown",
    "default_directory",
    "depth_lines",
    "depth_listing",
    "describe_sites",
    "describe_uneven",
    "expect_audit",
    "find_runner",
    "is_uneven",
    "kind_listing",
    "kinds_found",
    "load",
    "load_study",
    "look_at",
    "make_console",
    "measure_depth",
    "nearest_even",
    "neuron",
    "neuron_json",
    "plain",
    "publish",
    "render_comparison",
    "render_figure",
    "render_figures",
    "reopen",
    "replace_figures",
    "say_answers",
    "show_filter",
    "show_progress",
    "show_study",
    "site_listing",
    "site_table",
    "take",
    "tell",
    "verdict_lines",
    "write_atomically",
]

__getattr__, __dir__ = lazily(__name__)
