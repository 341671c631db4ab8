"""Running a model as far as it gets: a head may fail on what the layers before it take."""

from __future__ import annotations

from torch import Tensor

from padscope.sites.interception import Interception
from padscope.sites.memory import memory_error, ran_out_of_memory, told_images


def run_partly(seen: Interception, example: Tensor) -> Exception | None:
    """Run the model of an interception, and return what ended its pass early, if anything did.

    Parameters
    ----------
    seen : Interception
        That has been entered. What its visitor raised, it raises.
    example : (N, C, *spatial) Tensor

    Raises
    ------
    PadscopeError
        Memory ran out, which says nothing of the model.
    """
    try:
        seen.model(example)
    except Exception as error:  # somebody's own code raises what it likes
        if seen.failure is not None:
            raise seen.failure from None
        if not ran_out_of_memory(error):
            return error
        raise memory_error(error, told_images(example)) from error
    return None
