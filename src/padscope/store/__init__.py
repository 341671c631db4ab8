"""Study ⇄ run directory."""

from padscope.store.directory import RunDirectory
from padscope.store.files import write_atomically
from padscope.store.loading import load_study

__all__ = ["RunDirectory", "load_study", "write_atomically"]
