"""The one exception padscope raises for what a user can mend."""


class PadscopeError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, where, and what to do. The command line
    prints it and ends with status 2; the library raises it.
    """


class Interrupted(PadscopeError):  # noqa: N818 - it names a state of the run
    """The run was asked to stop before its end."""
