"""Study ⇄ run directory."""

from typing import TYPE_CHECKING

from padscope.lazily import lazily

if TYPE_CHECKING:
    from padscope.store.directory import RunDirectory
    from padscope.store.files import write_atomically
    from padscope.store.kept import read_kept
    from padscope.store.loading import load_study
    from padscope.store.pictures import read_pictures

__all__ = ["RunDirectory", "load_study", "read_kept", "read_pictures", "write_atomically"]

__getattr__, __dir__ = lazily(__name__)
