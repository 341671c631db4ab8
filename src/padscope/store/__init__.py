"""Study ⇄ run directory."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.store.directory import RunDirectory
    from padscope.store.files import write_atomically
    from padscope.store.kept import read_kept
    from padscope.store.loading import load_study
    from padscope.store.pictures import read_pictures
    from padscope.store.weights import FileJournal, write_retrofit

__all__ = [
    "FileJournal",
    "RunDirectory",
    "load_study",
    "read_kept",
    "read_pictures",
    "write_atomically",
    "write_retrofit",
]

__getattr__, __dir__ = lazily(__name__)
