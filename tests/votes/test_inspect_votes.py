"""The file of votes: appended, durable, torn only where no vote was confirmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from handpicked.errors import PoolError
from handpicked.votes import Vote, VoteFile


def vote(annotator="ann", case="c1", outcome="win", **more):
    return Vote(annotator, case, "0" * 32, "longest", "random", outcome, "a", **more)


@pytest.fixture
def file(tmp_path):
    return VoteFile(tmp_path / "votes.jsonl")


def test_votes_come_back_as_they_were_cast(file):
    cast = vote(
        tags=("more detail", "other"),
        note='emoji 🙂, ‮right to left‬, "quotes"\nand \ud800',
        seconds=3.2,
        time="2026-01-01T00:00:00+00:00",
    )
    file.cast(cast)
    assert file.standing().votes == {("ann", "c1"): cast}


def test_no_file_is_no_votes(file):
    assert file.standing().votes == {}


def test_a_retraction_is_appended_and_a_second_vote_replaces_the_first(file):
    file.cast(vote(case="c1"))
    file.cast(vote(case="c2"))
    file.cast(vote(case="c1", outcome="lose"))
    assert [(v.case, v.outcome) for v in file.standing().votes.values()] == [("c2", "win"), ("c1", "lose")]
    file.retract("ann", "c1")
    assert list(file.standing().votes) == [("ann", "c2")]
    assert [json.loads(line)["event"] for line in file.path.read_text().splitlines()] == ["vote"] * 3 + [
        "retract"
    ]


def test_annotators_do_not_touch_each_other(file):
    file.cast(vote("ann"))
    file.cast(vote("bob", outcome="tie"))
    file.retract("ann", "c1")
    assert list(file.standing().votes) == [("bob", "c1")]


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_line_is_ignored_and_then_cut_off(file, cut):
    file.cast(vote(case="c1"))
    file.cast(vote(case="c2"))
    os.truncate(file.path, file.path.stat().st_size - cut)
    assert list(file.standing().votes) == [("ann", "c1")]
    file.cast(vote(case="c3"))
    assert list(file.standing().votes) == [("ann", "c1"), ("ann", "c3")]
    assert file.path.read_bytes().count(b"\n") == 2


def test_a_file_of_one_torn_line_longer_than_a_block(file):
    file.path.write_bytes(b"x" * 10_000)
    file.cast(vote())
    assert file.path.read_bytes().count(b"\n") == 1 and len(file.standing().votes) == 1


@pytest.mark.parametrize(
    "line", ["{}", "no json", '{"event": "dance"}', '{"event": "vote", "annotator": "ann"}', "[]"]
)
def test_a_damaged_line_in_the_middle_is_named(file, line):
    file.cast(vote())
    with file.path.open("a") as out:
        out.write(line + "\n")
    with pytest.raises(PoolError, match=r"votes.jsonl, line 2 is not a vote"):
        file.standing()


FULL = """
import resource, sys
from pathlib import Path
from handpicked.errors import StoreError
from handpicked.votes import Vote, VoteFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = VoteFile(Path(sys.argv[1]))
for i in range(100):
    try:
        file.cast(Vote("ann", f"c{i}", "0" * 32, "longest", "random", "win", "a"))
    except StoreError as error:
        sys.exit(f"{i} {error}")
"""


def test_a_disk_that_refuses_is_reported_and_the_votes_before_it_count(file):
    done = subprocess.run([sys.executable, "-c", FULL, str(file.path)], capture_output=True, text=True)
    refused, message = done.stderr.split(" ", 1)
    assert message.startswith(f"Cannot write to {file.path}"), done.stderr
    assert len(file.standing().votes) == int(refused) > 0


CASTING = """
import sys
from handpicked.votes import Vote, VoteFile
from pathlib import Path
file = VoteFile(Path(sys.argv[1]))
for i in range(100000):
    file.cast(Vote("ann", f"c{i}", "0" * 32, "longest", "random", "win", "a", note="x" * 500))
    sys.stdout.write(f"{i}\\n"); sys.stdout.flush()
"""


def test_every_confirmed_vote_survives_kill_9(file):
    process = subprocess.Popen(
        [sys.executable, "-c", CASTING, str(file.path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(20):
        last = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    last = int(rest[-1]) if rest else last
    kept = [case for _, case in file.standing().votes]
    assert kept[: last + 1] == [f"c{i}" for i in range(last + 1)]
    assert len(kept) <= last + 2


def test_two_processes_append_whole_lines(file):
    code = CASTING.replace("100000", "30").replace('"ann"', "sys.argv[2]")
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(file.path), who], stdout=subprocess.DEVNULL)
        for who in ("ann", "bob")
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert len(file.standing().votes) == 60


def test_the_file_is_its_owners_alone_and_any_note_is_utf8(file):
    before = os.umask(0)
    try:
        file.cast(vote(note="lone \ud800"))
    finally:
        os.umask(before)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.path.read_bytes().decode("utf-8"))["note"] == "lone \ud800"
