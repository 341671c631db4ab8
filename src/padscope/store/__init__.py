"""Study ⇄ run directory."""

from padscope.store.directory import RunDirectory, load_study
from padscope.store.files import write_atomically

__all__ = ["RunDirectory", "load_study", "write_atomically"]
