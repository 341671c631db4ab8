"""Undo or disturb what filters do where they touch padding, while a model runs.

`selection` says which filters, `fills` what comes in place of their padding, `intervention` runs a
change at every chosen site of a forward pass, and `interventions` has the changes: `repad`,
`renormalise`, `move_padding`, `hold`, `silence` and the control `disturb_core`. `estimates` tells
what repadding each single filter would do, from gradients. `sets` names the filters whose effect is
measured, `controls` draws others to which the same is done, `treatments` lists all of it, and
`swaps` what can stand in place of all padding.
"""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.interventions.controls import Controls, draw_controls
    from padscope.interventions.estimates import Estimator, why_not_estimated
    from padscope.interventions.fills import FillName
    from padscope.interventions.intervention import Intervention
    from padscope.interventions.interventions import (
        disturb_core,
        hold,
        move_padding,
        renormalise,
        repad,
        silence,
    )
    from padscope.interventions.selection import Filters, Selection
    from padscope.interventions.sets import (
        ALL_PADDING,
        CONFIRMED_SET,
        NOT_RECOGNISING_SET,
        RECOGNISING_SET,
        SILENCE,
        headline_of,
        headline_rows,
        named_sets,
    )
    from padscope.interventions.treatments import (
        Treatment,
        dose_treatments,
        refill,
        set_treatments,
    )

__all__ = [
    "ALL_PADDING",
    "CONFIRMED_SET",
    "NOT_RECOGNISING_SET",
    "RECOGNISING_SET",
    "SILENCE",
    "Controls",
    "Estimator",
    "FillName",
    "Filters",
    "Intervention",
    "Selection",
    "Treatment",
    "disturb_core",
    "dose_treatments",
    "draw_controls",
    "headline_of",
    "headline_rows",
    "hold",
    "move_padding",
    "named_sets",
    "refill",
    "renormalise",
    "repad",
    "set_treatments",
    "silence",
    "why_not_estimated",
]

__getattr__, __dir__ = lazily(__name__)
