"""Selections that are killed, that meet a full disk or another process; each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from handpicked.config import SelectSettings
from handpicked.errors import StoreError
from handpicked.selection import pick
from made_rows import rows_of
from memory_pool import MemoryPool

SCRIPT = """
import sys
from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import HandpickedError
from handpicked.selection import pick
try:
    pick(read(sys.argv[1]), SelectSettings(by="longest", size=200), sys.argv[2])
except HandpickedError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture(scope="module")
def pool_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("pool") / "pool.jsonl"
    with file.open("w") as out:
        for row in rows_of(20_000):
            out.write(json.dumps({"instruction": row["prompt"], "output": row["response"]}) + "\n")
        out.write('{"instruction": "no answer"}\n')
    return file


def run(pool_file, out, prefix=()):
    return [*prefix, sys.executable, "-c", SCRIPT, str(pool_file), str(out)]


def test_kill_9_at_any_moment_leaves_no_half_written_output_and_a_rerun_gives_the_same_bytes(
    tmp_path, pool_file
):
    began = time.monotonic()
    subprocess.run(run(pool_file, tmp_path / "whole"), check=True)
    took = time.monotonic() - began
    expected = hashes_of_files(tmp_path / "whole")
    out = tmp_path / "out"
    draw = random.Random(7)
    killed = 0
    for _ in range(10):
        process = subprocess.Popen(run(pool_file, out))
        time.sleep(draw.uniform(0.3, 1.0) * took)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (out / "manifest.json").exists():
            assert hashes_of_files(out) == expected
        else:
            seen = hashes_of_files(out) if out.exists() else {}
            assert all(expected[name] == digest for name, digest in seen.items())
    assert killed >= 5
    subprocess.run(run(pool_file, out), check=True)
    assert hashes_of_files(out) == expected
    assert sorted(path.name for path in out.iterdir()) == sorted(expected)


def hashes_of_files(out):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir() if path.is_file()
    }


def test_a_full_disk_is_one_clear_error_and_no_partial_subset(tmp_path, pool_file):
    # A limit on the size of a file replaces a full disk where none can be mounted: the write fails in
    # the middle.
    limit = "import resource, sys, os; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        run(pool_file, tmp_path / "out", [sys.executable, "-c", limit]), capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("StoreError: Cannot write to ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small file system needs root"
)
@pytest.mark.parametrize(
    ("options", "reason"), [("size=100k", "no space is left"), ("size=100k,ro", "read-only")]
)
def test_a_really_full_or_read_only_disk(tmp_path, pool_file, options, reason):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        done = subprocess.run(run(pool_file, disk / "out"), capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert reason in done.stderr and len(done.stderr.splitlines()) == 1
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_two_processes_do_not_write_one_folder(tmp_path):
    from handpicked.store.outfolder import filling

    with filling(tmp_path / "out", ("selected.jsonl", "manifest.json")) as folder:
        with pytest.raises(StoreError, match="another process"):
            pick(MemoryPool(rows_of(3)), SelectSettings(size=1), tmp_path / "out")
        (folder / "manifest.json").write_text("{}")
