"""The pool ``python-stdlib``: questions about Python's standard library, answered by its documentation.

Functions, classes and methods of the importable standard modules become rows in Alpaca form: the question
names the object, the answer is its signature and its documentation. The order is fixed for a given Python
version. Imports happen in a process of their own, with no input and no display, so that no module can touch
this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from handpicked.data.remote import cache_folder
from handpicked.errors import PoolError

NAME = "python-stdlib"


def write_pool(out: Path) -> Path:
    """Write the pool as JSON lines to the file ``out`` and return it. Takes a few seconds.

    Raises PoolError when the documentation was stripped from this Python (``-OO``).
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("stdlib_rows.py")
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-I", "-W", "ignore", str(script)],
            cwd=empty,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    rows = done.stdout.splitlines(keepends=True)
    if done.returncode or len(rows) < 1000:
        said = done.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
        raise PoolError(
            f"{NAME}: only {len(rows)} documented functions and classes were found in "
            "the standard library of Python "
            f"{sys.version.split()[0]} ({said or 'is the documentation stripped?'})"
        )
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    temporary.write_bytes(b"".join(rows))
    temporary.replace(out)
    return out


def cached_pool() -> Path:
    """The pool of this Python version in the user's cache folder, written on first use."""
    root = cache_folder()
    version = ".".join(map(str, sys.version_info[:3]))
    for folder in (root, Path(tempfile.gettempdir()) / "handpicked"):
        path = folder / f"{NAME}-{version}.jsonl"
        try:
            if path.is_file() and path.stat().st_size:
                return path
            return write_pool(path)
        except OSError:
            continue  # a read-only home: the temporary folder will do
    raise PoolError(f"{NAME}: neither {root} nor the temporary folder can be written")
