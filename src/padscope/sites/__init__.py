"""Where padding happens: observed at run time, never read from attributes.

`geometry` knows how a window walks over a padded axis and which outputs touch padding,
`padding` follows explicit pads to the operation that takes them, `operations` reads the arguments
of convolutions and poolings, `interception` shows every such call of a forward pass to a visitor,
`partly` runs a model as far as it gets, `placement` puts images where a model is, and
`discovery` lists the sites of a network. For the counterfactual, `alignment` says where a
crop's maps lie on a canvas's, `taps` takes the padding's part out of an output, `fills` says what
may stand in the padding's place, and `refill` computes the outputs in contact with it again.
"""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.sites.alignment import Alignment, align, choose_margin
    from padscope.sites.call import Call, Visitor
    from padscope.sites.discovery import Observation, find_sites, observe
    from padscope.sites.fills import (
        FILLS,
        Boundary,
        Box,
        Constant,
        Cut,
        Fill,
        NamedFill,
        gather_positions,
        select_channels,
        surrounded,
    )
    from padscope.sites.focus import unobserved
    from padscope.sites.geometry import Window
    from padscope.sites.interception import Interception
    from padscope.sites.locating import at_offset, filled
    from padscope.sites.operations import OPERATIONS, Operation, Signature
    from padscope.sites.partly import run_partly
    from padscope.sites.placement import placed
    from padscope.sites.refill import (
        add_at,
        at_box,
        can_refill,
        contact_boxes,
        moved,
        receptive_box,
        refill_changes,
        refilled,
        repadded,
        writable,
        write_boxes,
    )
    from padscope.sites.site import Site
    from padscope.sites.stop_after import StopAfter, StopForward
    from padscope.sites.taps import JoinedTaps, select_taps

__all__ = [
    "FILLS",
    "OPERATIONS",
    "Alignment",
    "Boundary",
    "Box",
    "Call",
    "Constant",
    "Cut",
    "Fill",
    "Interception",
    "JoinedTaps",
    "NamedFill",
    "Observation",
    "Operation",
    "Signature",
    "Site",
    "StopAfter",
    "StopForward",
    "Visitor",
    "Window",
    "add_at",
    "align",
    "at_box",
    "at_offset",
    "can_refill",
    "choose_margin",
    "contact_boxes",
    "filled",
    "find_sites",
    "gather_positions",
    "moved",
    "observe",
    "placed",
    "receptive_box",
    "refill_changes",
    "refilled",
    "repadded",
    "run_partly",
    "select_channels",
    "select_taps",
    "surrounded",
    "unobserved",
    "writable",
    "write_boxes",
]

__getattr__, __dir__ = lazily(__name__)
