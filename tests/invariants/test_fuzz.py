"""The fuzzer of ``benchmarks.fuzz``: for some minutes under the slow marker, and always
the files that once failed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.fuzz.__main__ import Worker, fuzz
from benchmarks.fuzz.case import ACCOUNTS, Case, Ended, case_of, manners
from benchmarks.fuzz.counting import rows_in
from benchmarks.fuzz.originals import originals

MINUTES = float(os.environ.get("HANDPICKED_FUZZ_MINUTES", "5"))
SEED = os.environ.get("HANDPICKED_FUZZ_SEED", "1")
ONCE_FAILED = Path(__file__).with_name("once_failed")
"""Files of made rows on which a command once crashed, printed a traceback or counted
wrongly: ``COMMAND-NUMBER-NAME``.
"""


def test_the_same_seed_makes_the_same_files():
    assert [case_of("made-1", number) for number in range(20)] == [
        case_of("made-1", number) for number in range(20)
    ]
    assert case_of("made-1", 0) != case_of("made-2", 0)


@pytest.mark.parametrize("made", [False, True])
def test_the_independent_counter_counts_what_is_sound(made: bool):
    counted = [(one, rows_in(one.name, one.data)) for one in originals(made) if one.command != "run"]
    assert all(rows in (one.rows, None) for one, rows in counted), counted
    assert sum(rows is not None for _, rows in counted) >= 30


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory):
    started = Worker(tmp_path_factory.mktemp("fuzz"), "made")
    yield started
    started.stop()


@pytest.mark.parametrize("file", sorted(ONCE_FAILED.iterdir()), ids=lambda file: file.name)
def test_what_once_failed_ends_in_words(worker: Worker, file: Path):
    command, number, name = file.name.split("-", 2)
    assert worker.problem(Case("made", int(number), command, name, file.read_bytes())) is None


def crashing(pipe, folder, seed):
    pipe.recv()
    os.kill(os.getpid(), signal.SIGSEGV)


def hanging(pipe, folder, seed):
    pipe.recv()
    time.sleep(60)


def test_a_crash_and_a_hang_are_found(tmp_path: Path, monkeypatch):
    """A fuzzer that finds nothing must be one that would find something."""
    assert Worker(tmp_path, "made-1", crashing).problem(0) == "the process died: exit code -11"
    monkeypatch.setattr("benchmarks.fuzz.__main__.LONGEST_S", 0.5)
    assert "no end after" in str(Worker(tmp_path, "made-1", hanging).problem(0))


@pytest.mark.parametrize(
    ("ended", "found"),
    [
        (Ended(0, "", "a remark\n"), None),
        (Ended(2, "", "handpicked: this is wrong\n"), None),
        (Ended(1, "", "handpicked: this is wrong\n"), "exit code 1"),
        (Ended(0, "", "Traceback (most recent call last):\n"), "a traceback"),
        (Ended(2, "", ""), "refused without a line that says why"),
        (Ended(2, "", "remark\nhandpicked: wrong\n"), "refused in more than lines of ours"),
        (Ended(2, "", f"handpicked: {'x' * 5000}\n"), "refused in a line that nobody can read"),
    ],
)
def test_manners(ended: Ended, found: str | None):
    assert manners(ended) == found


def test_a_row_that_is_lost_is_found(tmp_path: Path):
    """``select`` on a sound file, and then with a row less in what it wrote."""
    one = next(one for one in originals(made=True) if one.name == "rows.jsonl" and one.command == "select")
    case = Case("made", 0, "select", one.name, one.data + b'{"instruction": "no output"}\n')
    (tmp_path / one.name).write_bytes(case.data)
    out = tmp_path / "out"
    words = [
        "select",
        str(tmp_path / one.name),
        "-o",
        str(out),
        "--size",
        "5",
        "--measure",
        "chars",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words], capture_output=True, text=True, check=True
    )
    ended = Ended(0, done.stdout, done.stderr)
    account = ACCOUNTS["select"]
    assert account(case, out, ended) is None
    assert "rows counted" in str(
        account(Case("made", 0, "select", one.name, case.data + one.data), out, ended)
    )
    kept = (out / "selected.jsonl").read_bytes()
    (out / "selected.jsonl").write_bytes(kept.split(b"\n", 1)[1])
    assert "4 rows written" in str(account(case, out, ended))
    (out / "selected.jsonl").write_bytes(kept)
    (out / "rejected.jsonl").write_text("")
    assert "0 in rejected.jsonl" in str(account(case, out, ended))


@pytest.mark.slow
def test_mutated_files_for_some_minutes(tmp_path: Path):
    tally = fuzz(
        SEED if SEED != "random" else str(random.random()),
        range(1 << 60),
        MINUTES * 60,
        tmp_path / "failures",
    )
    notes = "\n".join(note.read_text() for note in sorted((tmp_path / "failures").glob("*.txt"))[:5])
    assert tally["tried"] > MINUTES * 20  # on a busy machine; three times as many on an idle one
    assert tally["failed"] == 0, notes
