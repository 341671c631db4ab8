"""What turns the page templates of this folder into self-contained HTML."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from padscope.counts import plural
from padscope.findings.words import number, percent, shorten, visible


@cache
def page_environment() -> Environment:
    """Return the environment of all pages: it escapes, and shows every character of a text."""
    environment = Environment(
        loader=PackageLoader("padscope.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        number=number, percent=percent, plural=plural, shorten=shorten, visible=visible
    )
    return environment


def style_sheet(*names: str) -> Markup:
    """Read style sheets, one after the other."""
    return Markup("".join(_source(f"styles/{name}.css") for name in names))


def script(*names: str) -> Markup:
    """Read scripts, in an order, into one function: no name of theirs gets in the way of another.

    Their text stands in the page as it is, which is why none may hold the end of a script.
    """
    parts = "".join(_source(f"scripts/{name}.js") for name in names)
    return Markup(f"(() => {{\n'use strict';\n{parts}}})();")


def _source(name: str) -> str:
    loader = page_environment().loader
    assert loader is not None
    return loader.get_source(page_environment(), name)[0]


def content_hash(content: str) -> str:
    """Compute the hash by which a Content-Security-Policy allows what is inlined."""
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _finalize(value: object) -> object:
    """Show every character of a text that is not the page's own, and keep numbers with their sign.

    Escaping comes after.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value).replace(" %", "\N{NO-BREAK SPACE}%")
    return value
