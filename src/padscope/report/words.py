"""Numbers, sizes and names as the page writes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

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


def percent(part: float, whole: float) -> str:
    r"""Write a share of a count; a share that is not 0 or 1 never reads so.

    Examples
    --------
    >>> percent(112, 1000), percent(1, 90000), percent(0, 0)
    ('11.2\xa0%', '<\xa00.1\xa0%', '0\xa0%')
    """
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
    if 99.9 < share < 100:
        return ">\N{NO-BREAK SPACE}99.9\N{NO-BREAK SPACE}%"
    return f"{share:.{1 if share % 100 else 0}f}\N{NO-BREAK SPACE}%"


def percent_range(counts: Sequence[tuple[int, int]]) -> str:
    r"""Write the least and the greatest of some shares of counts; "" for none.

    Examples
    --------
    >>> percent_range([(3, 10), (1, 10), (2, 10)]), percent_range([(1, 10)])
    ('10.0–30.0\xa0%', '10.0\xa0%')
    """
    shares = sorted(counts, key=lambda count: count[0] / count[1] if count[1] else 0.0)
    ends = list(dict.fromkeys(percent(*count) for count in (*shares[:1], *shares[-1:])))
    unit = "\N{NO-BREAK SPACE}%"
    return "–".join([*(end.removesuffix(unit) for end in ends[:-1]), *ends[-1:]])


def number(value: float, digits: int = 3) -> str:
    """Write a measured number to some significant digits.

    Examples
    --------
    >>> number(-0.51237)
    '−0.512'
    """
    return f"{value:.{digits}g}".replace("-", "−")


def plural(number: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "image"), plural(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
