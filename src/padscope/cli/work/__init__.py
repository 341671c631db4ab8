"""What the commands call, imported when they do: help and completion need none of it."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.cli.endings import close, publish, say_answers
    from padscope.cli.given import (
        Given,
        default_directory,
        load,
        look_at,
        nearest_even,
        open_subject,
        reopen,
    )
    from padscope.cli.interrupts import interruptible
    from padscope.cli.stages import Stages
    from padscope.console.budget import Budget
    from padscope.console.columns import column_listing
    from padscope.console.progress import show_progress
    from padscope.console.sentences import verdict_lines
    from padscope.console.show import show_filter, show_study
    from padscope.console.terminal import make_console
    from padscope.figures import render_figure, render_figures
    from padscope.findings.advice import advice_lines, advise
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
    from padscope.findings.depth import depth_json, depth_lines, depth_listing
    from padscope.findings.json import SCHEMA, as_json, beside_json, neuron_json, plain
    from padscope.findings.neuron import neuron
    from padscope.findings.retrofit import (
        loading_code,
        retrofit_json,
        retrofit_lines,
        retrofit_listing,
    )
    from padscope.findings.sites import census_of, describe_sites, site_listing
    from padscope.findings.sizes import describe_uneven, size_parts, size_sentences
    from padscope.findings.survey import (
        Survey,
        failures,
        read_survey,
        row_of,
        site_rows,
        survey_json,
    )
    from padscope.findings.swaps import swap_listing, swap_sentences
    from padscope.findings.tiles import halo_listing, tile_listing, tile_sentences
    from padscope.models.listed import POPULAR, check_names, parse_models, read_list
    from padscope.models.structure import norms_of
    from padscope.report.comparison import comparison_markdown, render_comparison
    from padscope.report.survey import render_survey, survey_markdown
    from padscope.running import RayRunner, find_runner
    from padscope.sites.census import is_uneven
    from padscope.store import (
        FileJournal,
        RunDirectory,
        load_study,
        write_atomically,
        write_retrofit,
    )
    from padscope.store.attempts import Attempt, Attempts
    from padscope.study import (
        check_answer,
        measure_depth,
        measure_sizes,
        measure_swaps,
        measure_tiles,
        retrofit,
    )
    from padscope.study.budget import THOROUGH_IMPACT, USUAL_IMPACT, expect_audit, time_pass
    from padscope.tables import site_table
    from padscope.tables.schema import SURVEY, SURVEY_SITES, TABLES

__all__ = [
    "POPULAR",
    "SCHEMA",
    "SURVEY",
    "SURVEY_SITES",
    "TABLES",
    "THOROUGH_IMPACT",
    "USUAL_IMPACT",
    "Attempt",
    "Attempts",
    "Budget",
    "FileJournal",
    "Given",
    "RayRunner",
    "RunDirectory",
    "Stages",
    "Survey",
    "advice_lines",
    "advise",
    "as_json",
    "beside_json",
    "census_of",
    "check_answer",
    "check_names",
    "check_recognising",
    "close",
    "column_listing",
    "compare",
    "comparison_json",
    "comparison_lines",
    "comparison_listing",
    "comparison_markdown",
    "default_directory",
    "depth_json",
    "depth_lines",
    "depth_listing",
    "describe_sites",
    "describe_uneven",
    "expect_audit",
    "failures",
    "find_runner",
    "halo_listing",
    "interruptible",
    "is_uneven",
    "kind_listing",
    "kinds_found",
    "load",
    "load_study",
    "loading_code",
    "look_at",
    "make_console",
    "measure_depth",
    "measure_sizes",
    "measure_swaps",
    "measure_tiles",
    "nearest_even",
    "neuron",
    "neuron_json",
    "norms_of",
    "open_subject",
    "parse_models",
    "plain",
    "publish",
    "read_list",
    "read_survey",
    "render_comparison",
    "render_figure",
    "render_figures",
    "render_survey",
    "reopen",
    "retrofit",
    "retrofit_json",
    "retrofit_lines",
    "retrofit_listing",
    "row_of",
    "say_answers",
    "show_filter",
    "show_progress",
    "show_study",
    "site_listing",
    "site_rows",
    "site_table",
    "size_parts",
    "size_sentences",
    "survey_json",
    "survey_markdown",
    "swap_listing",
    "swap_sentences",
    "take",
    "tile_listing",
    "tile_sentences",
    "time_pass",
    "verdict_lines",
    "write_atomically",
    "write_retrofit",
]

__getattr__, __dir__ = lazily(__name__)
