"""Where padding happens: observed at run time, never read from attributes.

`geometry` knows how a window walks over a padded axis and which outputs touch padding,
`padding` follows explicit pads to the operation that takes them, `operations` reads the arguments
of convolutions and poolings, `interception` shows every such call of a forward pass to a visitor,
and `discovery` lists the sites of a network. For the counterfactual, `alignment` says where a
crop's maps lie on a canvas's, `taps` takes the padding's part out of an output, and `repadding`
runs an operation again with another padding.
"""

from padscope.sites.alignment import Alignment, align, choose_margin
from padscope.sites.discovery import Observation, find_sites, observe
from padscope.sites.geometry import Window
from padscope.sites.interception import Call, Interception, Visitor
from padscope.sites.operations import Operation
from padscope.sites.repadding import repadded
from padscope.sites.site import Site
from padscope.sites.taps import Taps, at_offset, filled, select_taps

__all__ = [
    "Alignment",
    "Call",
    "Interception",
    "Observation",
    "Operation",
    "Site",
    "Taps",
    "Visitor",
    "Window",
    "align",
    "at_offset",
    "choose_margin",
    "filled",
    "find_sites",
    "observe",
    "repadded",
    "select_taps",
]
