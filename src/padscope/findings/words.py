"""Numbers, shares, intervals and names as everything writes them: page, terminal, notebook, JSON.

A share has an ordinary space before its sign; the page binds the two where it lays them out.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

NONE = "–"  # what stands where nothing was measured
# Characters that change how their neighbours are shown, or cannot stand in a page.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def visible(text: str) -> str:
    r"""Write control and direction characters as their code, so that a name shows all it has.

    Examples
    --------
    >>> visible("conv" + chr(0x202E) + "1")
    'conv\\u202e1'
    """
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in _UNSEEN else c for c in text)


def shorten(text: str, longest: int) -> str:
    """Leave out the middle of a long name.

    Examples
    --------
    >>> shorten("encoder.layers.0.conv", 11)
    'encod….conv'
    """
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…{text[len(text) - (longest - half - 1) :]}"


def size(values: Iterable[int]) -> str:
    """Write sizes per axis: 3×3."""
    return "×".join(map(str, values))


def number(value: float | None, digits: int = 3) -> str:
    """Write a measured number to some significant digits.

    Examples
    --------
    >>> number(-0.51237), number(None)
    ('−0.512', '–')
    """
    if value is None or math.isnan(value):
        return NONE
    return f"{value:.{digits}g}".replace("-", "−")


def fixed(value: float | None) -> str:
    """Write a value on a scale from 0 to 1, to two decimals.

    Examples
    --------
    >>> fixed(-0.004), fixed(0.527), fixed(None)
    ('0.00', '0.53', '–')
    """
    if value is None or math.isnan(value):
        return NONE
    text = f"{value:.2f}".replace("-", "−")
    return text.removeprefix("−") if float(f"{value:.2f}") == 0 else text


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Write an interval; "" if there is none.

    Examples
    --------
    >>> interval(-0.1, 0.25), interval(None, None)
    ('[−0.1 to 0.25]', '')
    """
    if low is None or high is None:
        return ""
    return f"[{number(low, digits)} to {number(high, digits)}]"


def fixed_interval(low: float | None, high: float | None) -> str:
    """Write an interval on a scale from 0 to 1; "" if there is none."""
    return "" if low is None or high is None else f"[{fixed(low)} to {fixed(high)}]"


def percent(part: float, whole: float) -> str:
    """Write a share of a count; a share that is not 0 or 1 never reads so.

    Examples
    --------
    >>> percent(112, 1000), percent(1, 90000), percent(0, 0)
    ('11.2 %', '< 0.1 %', '0 %')
    """
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.{1 if share % 100 else 0}f} %"


def share(value: float | None) -> str:
    """Write a share that is given, to three significant digits.

    Examples
    --------
    >>> share(0.01), share(0.1234), share(None)
    ('1 %', '12.3 %', '–')
    """
    return NONE if value is None else f"{number(100 * value)} %"


def chance(p: float | None) -> str:
    """Write a p- or q-value.

    Examples
    --------
    >>> chance(1 / 21), chance(0.3), chance(1e-7), chance(None)
    ('0.048', '0.3', '<0.0001', '–')
    """
    if p is None or math.isnan(p):
        return NONE
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def listed(words: Sequence[str]) -> str:
    """Write words as a list.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a"]), listed([])
    ('a, b and c', 'a', '')
    """
    *most, last = words or [""]
    return f"{', '.join(most)} and {last}" if most else last
