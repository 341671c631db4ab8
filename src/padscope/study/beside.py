"""What stages beside a run find: tables in files of their own, all else in its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import polars as pl

from padscope.images.skipped import Skipped
from padscope.tables.schema import Table


@dataclass(frozen=True)
class Beside:
    """Base of these results.

    Attributes
    ----------
    identity : dict
        Model, images, settings and versions: what it depends on.
    model, images : str
        A line for people about each.
    UNKEPT : tuple of str
        Fields that a run does not keep: mappings, which are empty when it is read.
    FIELDS : dict
        Name of a field that is a table → what it is in the schema.
    """

    identity: dict[str, Any]
    model: str
    images: str

    UNKEPT: ClassVar[tuple[str, ...]] = ()
    FIELDS: ClassVar[dict[str, Table]] = {}

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """All tables, by name."""
        return {table.name: getattr(self, name) for name, table in self.FIELDS.items()}

    def facts(self) -> dict[str, Any]:
        """Return all but the tables, as JSON can hold it."""
        return {name: _listed(getattr(self, name)) for name in self._told()}

    @classmethod
    def of(cls, facts: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Self:
        """Put `facts`, as they are read back, and tables together again."""
        told = {name: facts[name] for name in cls._told()}
        given: dict[str, Any] = {name: _tupled(value) for name, value in told.items()}
        given["skipped"] = tuple(Skipped(*skip) for skip in given["skipped"])
        given |= {name: {} for name in cls.UNKEPT}
        given |= {name: tables[table.name] for name, table in cls.FIELDS.items()}
        return cls(**given)

    @classmethod
    def _told(cls) -> list[str]:
        return [each.name for each in fields(cls) if each.name not in (*cls.FIELDS, *cls.UNKEPT)]


@dataclass(frozen=True)
class ComparedAnswers(Beside):
    """Base of those results that compare answers.

    Attributes
    ----------
    labels : str
        A line for people; "" without labels.
    counted : int
        Images whose answers were compared; 0 where there was nothing to compare.
    answer : {"classes", "dense", "values"}
        What the model answers with.
    """

    labels: str
    counted: int
    answer: str


def _listed(value: Any) -> Any:
    if isinstance(value, Skipped):
        return [*asdict(value).values()]
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(each) for each in value) if isinstance(value, list) else value
