"""What turns the page templates of this folder into self-contained HTML."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

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


def render_page(name: str, styles: Sequence[str], scripts: Sequence[str] = (), **given: Any) -> str:
    """Fill the template of a page, which holds its style sheets and scripts, in an order.

    Their text stands in the page as it is, which is why none may hold the end of a script; a
    Content-Security-Policy allows them and nothing else.
    """
    css = Markup("".join(_source(f"styles/{each}.css") for each in styles))
    # In one function: no name of a script gets in the way of another page's.
    parts = "".join(_source(f"scripts/{each}.js") for each in scripts)
    script = Markup(f"(() => {{\n'use strict';\n{parts}}})();") if parts else Markup("")
    return page_environment().get_template(f"{name}.html.jinja").render(
        given, css=css, css_hash=content_hash(css), script=script,
        script_hash=content_hash(script) if script else "",
    )  # fmt: skip


def _source(name: str) -> str:
    return files("padscope.report").joinpath(name).read_text(encoding="utf-8")


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
