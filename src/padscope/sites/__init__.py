"""Where padding happens: observed at run time, never read from attributes.

`geometry` knows how a window walks over a padded axis and which outputs touch padding,
`padding` follows explicit pads to the operation that takes them, `operations` reads the arguments
of convolutions and poolings, `interception` shows every such call of a forward pass to a visitor,
and `discovery` lists the sites of a network.
"""

from padscope.sites.discovery import Observation, find_sites, observe
from padscope.sites.geometry import Window
from padscope.sites.interception import Call, Interception, Visitor
from padscope.sites.site import Site

__all__ = [
    "Call",
    "Interception",
    "Observation",
    "Site",
    "Visitor",
    "Window",
    "find_sites",
    "observe",
]
