"""Write the page on columns from the schema of the tables.

Run from a checkout::

    python -m evidence columns
"""

from __future__ import annotations

from evidence import DOCS
from evidence.wording import markdown
from padscope.store.files import write_atomically
from padscope.tables.schema import STATISTICS_ADD, TABLES, Table

PAGE = DOCS / "reference" / "columns.md"
OPENING = f"""# Columns

Every column of every table, as `padscope columns [TABLE]` prints it too, with `--json` as data.
*Since* is what adds it: a stage, or the estimates, which are a part of the impact. Null is what was
not or could not be measured. A table is checked against this when it is written.

{STATISTICS_ADD}
"""


def section(table: Table) -> str:
    """Write what a table holds."""
    rows = [
        (
            f"`{column.name}`", f"`{column.dtype}`", column.unit, column.meaning, column.since,
            f"[{column.defined}](../{column.defined})",
        )
        for column in table.columns
    ]  # fmt: skip
    header = ("column", "type", "unit", "meaning", "since", "defined")
    listed = markdown(header, rows, names=len(header))
    return f"## {table.name}\n\n`{table.file}`. {table.rows}\n\n{listed}\n"


def page() -> str:
    """Write the whole page."""
    return "\n".join([OPENING, *map(section, TABLES.values())])


def main() -> None:
    """Write it."""
    write_atomically(PAGE, page().encode())
