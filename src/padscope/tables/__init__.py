"""Sites, filters and sides as data frames."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.tables.causes import cause_tables, with_causes, with_context
    from padscope.tables.classes import class_table
    from padscope.tables.distances import distance_table
    from padscope.tables.effects import dose_table, effect_table
    from padscope.tables.impacts import (
        added_impacts,
        agreement,
        check_table,
        choose_checked,
        impact_columns,
        missing_estimates,
        with_impact,
        without_impact,
    )
    from padscope.tables.networks import inherited_table, network_table, with_decoys
    from padscope.tables.responses import (
        RESOLUTION,
        filter_table,
        response_tables,
        responses_alone,
        side_table,
        site_table,
    )
    from padscope.tables.summaries import MEASURED, summarize, undecided
    from padscope.tables.zero_usual import zero_usual, zero_usual_by_site

__all__ = [
    "MEASURED",
    "RESOLUTION",
    "added_impacts",
    "agreement",
    "cause_tables",
    "check_table",
    "choose_checked",
    "class_table",
    "distance_table",
    "dose_table",
    "effect_table",
    "filter_table",
    "impact_columns",
    "inherited_table",
    "missing_estimates",
    "network_table",
    "response_tables",
    "responses_alone",
    "side_table",
    "site_table",
    "summarize",
    "undecided",
    "with_causes",
    "with_context",
    "with_decoys",
    "with_impact",
    "without_impact",
    "zero_usual",
    "zero_usual_by_site",
]

__getattr__, __dir__ = lazily(__name__)
