"""Run folders: stage manifests, atomic writes, resume, the lock. Only this package knows their paths."""

from handpicked.store.files import (
    digest,
    private_file,
    private_folder,
    read_json,
    utf8,
    write_json,
    write_text,
    writing,
)
from handpicked.store.run import LAYOUT, LOST, MANIFEST, READS, STARTED, WRITTEN, Run, open_run
from handpicked.store.stage import Facts, Origin, Stage

__all__ = [
    "LAYOUT",
    "LOST",
    "MANIFEST",
    "READS",
    "STARTED",
    "WRITTEN",
    "Facts",
    "Origin",
    "Run",
    "Stage",
    "digest",
    "open_run",
    "private_file",
    "private_folder",
    "read_json",
    "utf8",
    "write_json",
    "write_text",
    "writing",
]
