"""What became of every model of a survey: its run, or why there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from padscope.errors import PadscopeError
from padscope.paths import MISSING, file_problem
from padscope.store.files import dump_json, readable, write_atomically
from padscope.store.manifest import differing_parts

SCHEMA = 1
FILE = "survey.json"
State = Literal["done", "not fetched", "failed"]


@dataclass(frozen=True)
class Attempt:
    """What became of one model.

    Attributes
    ----------
    given : dict
        How it was named: the model, its weights, and what else a run is told.
    folder : str
        Of its run, below that of the survey.
    state : {"done", "not fetched", "failed"}
    stages : tuple of str
        Those that are finished.
    reason : str
        What went wrong, one sentence; "" for nothing.
    weights_are : str
        As of `LoadedModel`; "" where it could not be loaded.
    norms : str
        See `padscope.models.structure.norms_of`.
    parameters : int or None
    seconds : float or None
        Of a bare forward pass of one image, where it was measured.
    """

    given: Mapping[str, Any]
    folder: str
    state: State = "failed"
    stages: tuple[str, ...] = ()
    reason: str = ""
    weights_are: str = ""
    norms: str = ""
    parameters: int | None = None
    seconds: float | None = None

    def answers(self, given: Mapping[str, Any], stages: tuple[str, ...]) -> bool:
        """Whether nothing is left to do of a model and its stages."""
        return self.state == "done" and dict(self.given) == given and {*stages} <= {*self.stages}


@dataclass
class Attempts:
    """The attempts of one survey, in a file of its directory.

    Parameters
    ----------
    path : Path
        The directory; made if it is missing.
    leads : bool
        Whether this process writes.
    """

    path: Path
    leads: bool = True
    known: dict[str, Attempt] = field(default_factory=dict, init=False)
    _settings: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Take possession of the directory, or go on in it.

        Parameters
        ----------
        settings : mapping
            What all models are measured with.

        Raises
        ------
        PadscopeError
            It is a survey with other settings, it cannot be used, or its file is damaged.
        """
        self._settings = json.loads(dump_json(settings))  # tuples are lists in it
        if file_problem(self.path / FILE) == MISSING:
            self._write()
        else:
            self._read()

    def _read(self) -> None:
        file = self.path / FILE
        with readable(file):
            found = json.loads(file.read_text(encoding="utf-8"))
            if found["schema"] != SCHEMA:
                raise PadscopeError(
                    f"{file} has schema {found['schema']}, this version reads {SCHEMA}; choose "
                    "another output directory"
                )
            if differing := differing_parts(found["settings"], self._settings):
                raise PadscopeError(
                    f"{self.path} is a survey with other {', '.join(differing)}; choose another "
                    "output directory, or remove this one"
                )
            self.known = {
                name: Attempt(**(attempt | {"stages": tuple(attempt["stages"])}))
                for name, attempt in found["attempts"].items()
            }

    def note(self, name: str, attempt: Attempt) -> None:
        """Keep what became of a model, beside what other commands have kept meanwhile."""
        if self.leads:
            self._read()
        self.known[name] = attempt
        self._write()

    def _write(self) -> None:
        if not self.leads:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PadscopeError(
                f"cannot use {self.path} as output: {error.strerror or error}; choose another "
                "directory"
            ) from error
        attempts = {name: asdict(attempt) for name, attempt in sorted(self.known.items())}
        content = {"schema": SCHEMA, "settings": self._settings, "attempts": attempts}
        write_atomically(self.path / FILE, dump_json(content))
