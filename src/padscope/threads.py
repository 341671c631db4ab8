"""Threads that work beside PyTorch's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def single_threaded_pool(count: int, name: str) -> ThreadPoolExecutor:
    """Start threads whose torch operations stay within them.

    An operation on a large tensor is shared among as many helpers as PyTorch has threads, and a
    thread of ours gets helpers of its own. With more of them in the process than there are cores,
    OpenMP lets all of them sleep instead of waiting briefly for more work, those of the model too:
    a forward pass of EfficientNet-Lite0 then took 10 to 15 % longer on two cores.

    Parameters
    ----------
    count : int
        How many.
    name : str
        What their names begin with.
    """
    before = torch.get_num_threads()
    if before == 1:
        return ThreadPoolExecutor(count, thread_name_prefix=name)
    started = Barrier(count + 1)

    def alone() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # a thread takes up the process's number here, and only once
        started.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix=name, initializer=alone)
    try:
        for _ in range(count):  # a thread starts when there is work and none of them is idle
            pool.submit(int)
        started.wait()
    except BaseException:
        started.abort()  # or those that did start would wait for ever
        raise
    finally:
        torch.set_num_threads(before)  # of this thread, and of those to come
    return pool
