"""Undo or disturb what filters do where they touch padding, while a model runs.

`selection` says which filters, `fills` what comes in place of their padding, `intervention` runs a
change at every chosen site of a forward pass, and `interventions` has the four changes: `repad`,
`hold`, `silence` and the control `disturb_core`.
"""

from padscope.interventions.fills import FillName
from padscope.interventions.intervention import Intervention
from padscope.interventions.interventions import disturb_core, hold, repad, silence
from padscope.interventions.selection import Filters, Selection

__all__ = [
    "FillName",
    "Filters",
    "Intervention",
    "Selection",
    "disturb_core",
    "hold",
    "repad",
    "silence",
]
