"""Sites, filters and sides as data frames."""

from padscope.tables.causes import cause_tables, with_causes, with_context
from padscope.tables.networks import inherited_table, network_table, no_inherited
from padscope.tables.responses import RESOLUTION, filter_table, side_table, site_table
from padscope.tables.summaries import summarize, undecided

__all__ = [
    "RESOLUTION",
    "cause_tables",
    "filter_table",
    "inherited_table",
    "network_table",
    "no_inherited",
    "side_table",
    "site_table",
    "summarize",
    "undecided",
    "with_causes",
    "with_context",
]
