"""Which positions of a long axis are kept of a map."""

from __future__ import annotations

# Longest axis of a kept map, by number of spatial axes: at most 64 kB a filter.
LONGEST = {1: 4096, 2: 128, 3: 24}


def kept_lines(size: int, dims: int) -> list[int]:
    """Positions of an axis that a map keeps.

    All of a short axis. Of a longer one the quarter at each end, where borders show, and an even
    sample of what lies between.

    Examples
    --------
    >>> len(kept_lines(112, dims=2)), len(kept_lines(500, dims=2))
    (112, 128)
    """
    return thinned_lines(size, LONGEST[dims])


def thinned_lines(size: int, longest: int) -> list[int]:
    """Choose at most `longest` positions of an axis, as `kept_lines` does.

    Examples
    --------
    >>> thinned_lines(16, 8)
    [0, 1, 2, 5, 8, 11, 14, 15]
    """
    if size <= longest:
        return list(range(size))
    end = longest // 4
    middle = longest - 2 * end
    between = [end + (size - 2 * end) * i // middle for i in range(middle)]
    return [*range(end), *between, *range(size - end, size)]
