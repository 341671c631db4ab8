"""The one exception padscope raises for what a user can mend, and how other errors are told."""

from collections.abc import Iterable
from difflib import get_close_matches


class PadscopeError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, where, and what to do. The command line
    prints it and ends with status 2; the library raises it.
    """


class Unfinished(PadscopeError):  # noqa: N818 - it names a state of the run
    """The run ended before its end, for a reason that says nothing of what it measures.

    What goes on without a part that cannot be measured does not go on without this.
    """


class Interrupted(Unfinished):
    """The run was asked to stop."""


class Unfetched(PadscopeError):  # noqa: N818 - it names what became of the weights
    """What must be fetched from another machine could not be."""


def brief(error: BaseException) -> str:
    r"""Write an error of somebody else's code in one line.

    Examples
    --------
    >>> brief(ValueError("no such layer\nsee the log")), brief(KeyError())
    ('ValueError: no such layer', 'KeyError')
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def near(name: str, known: Iterable[str]) -> str:
    """Say which of the known names one may have meant, or all of them if none is like it.

    Examples
    --------
    >>> near("dept", ["depth", "kinds"]), near("xyz", ["depth", "kinds"])
    ('did you mean depth?', 'choose from depth, kinds')
    """
    names = list(known)
    close = get_close_matches(name, names, 3, cutoff=0.7)
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(names)}"
