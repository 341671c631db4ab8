"""Where the work runs: units of images through a model in this process, or in several."""

from padscope.engines.allocator import keep_freed_memory
from padscope.engines.local import Counted, Watch, count_units, no_counts
from padscope.engines.plan import Plan, make_plan
from padscope.engines.processes import Processes

__all__ = [
    "Counted",
    "Plan",
    "Processes",
    "Watch",
    "count_units",
    "keep_freed_memory",
    "make_plan",
    "no_counts",
]
