"""Work in parts: the same bytes whoever does it, none twice, and one line where it cannot be done."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_task import Squares, bytes_of, run

from handpicked.errors import ConfigError, StoreError, WorkerError
from handpicked.workers import facts_of
from handpicked.workers.coordinator import BrokenWorker
from handpicked.workers.parts import cut
from handpicked.workers.schedule import Schedule

torch = pytest.importorskip("torch", reason="needs the lm extra")


@pytest.fixture
def whole(tmp_path):
    """What this process makes by itself."""
    folder = tmp_path / "whole"
    folder.mkdir()
    return bytes_of(run(Squares(folder), "all"))


def made(tmp_path: Path, **more) -> Squares:
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    return Squares(folder, **more)


def test_parts_are_fixed_and_cover_every_item_once():
    parts = cut([10, 0, 3], 4)
    assert [(part.section, part.first, part.end) for part in parts] == [
        (0, 0, 4), (0, 4, 8), (0, 8, 10), (1, 0, 0), (2, 0, 3)
    ]  # fmt: skip
    assert [part.number for part in parts] == [0, 1, 2, 3, 4] and len(parts[2]) == 2


@pytest.mark.parametrize("devices", ["cpu:1", "cpu:2", "cpu:3"])
def test_one_two_and_three_workers_make_the_same_bytes_and_no_part_twice(tmp_path, whole, devices):
    task = made(tmp_path)
    files = run(task, devices)
    assert bytes_of(files) == whole
    assert sorted(task.begun) == list(range(10))
    assert [square for table in files.tables() for square in table["square"].to_pylist()] == [
        number**2 for number in range(40)
    ]
    assert sum(facts["sum"] for facts in files.facts()) == sum(range(40))
    assert {path.suffix for path in files.folder.iterdir() if not path.name.startswith(".")} == {".arrow"}


def test_what_is_done_is_not_done_again_and_nothing_is_started_for_it(tmp_path, monkeypatch):
    task = made(tmp_path)
    before = bytes_of(run(task, "all"))
    monkeypatch.setattr("handpicked.workers.run._run", lambda *_: pytest.fail("nothing is missing"))
    assert bytes_of(run(task)) == before and len(task.begun) == 10


def test_the_progress_reaches_its_total_though_a_worker_dies(tmp_path):
    counts: list[float] = []

    @contextmanager
    def watched(label, total):
        assert (label, total) == ("squares (numbers)", 40)
        yield counts.append

    run(made(tmp_path, mishaps={4: ("killed", 1)}), progress=watched)
    assert sum(counts) == pytest.approx(40)


def test_a_killed_workers_part_is_done_by_another_and_no_other_twice(tmp_path, whole):
    task = made(tmp_path, mishaps={3: ("killed", 1), 7: ("killed", 2)})
    assert bytes_of(run(task)) == whole
    assert {part: task.begun.count(part) for part in range(10)} == dict.fromkeys(range(10), 1) | {3: 2, 7: 3}


def test_after_three_tries_one_error_names_part_and_device_and_the_rest_is_kept(tmp_path, whole):
    task = made(tmp_path, mishaps={2: ("killed", 3)})
    with pytest.raises(
        WorkerError, match=r"squares: part 3 \(numbers 9 to 12\) .* 3 times .* cpu:[01]: .*SIGKILL"
    ) as error:
        run(task)
    assert "\n" not in str(error.value) and "same command" in str(error.value)
    done = [path.name for path in (tmp_path / "work").rglob("*.arrow")]
    assert bytes_of(run(task)) == whole
    assert task.begun.count(2) == 4 and max(task.begun.count(int(name[:6])) for name in done) == 1


def test_a_device_out_of_memory_leaves_its_part_to_others(tmp_path, whole):
    task = made(tmp_path, mishaps={1: ("no memory", 2)})
    assert bytes_of(run(task)) == whole and task.begun.count(1) == 3
    lost = made(tmp_path, count=44, mishaps={10: ("no memory", 9)})
    with pytest.raises(WorkerError, match=r"part 11 .*CUDA out of memory. Tried to allocate"):
        run(lost)
    assert task.begun.count(10) == 3
    with pytest.raises(WorkerError, match=r"squares: cpu refused part 11 .* out of memory.* is kept"):
        run(lost, "all")


def test_a_mistake_ends_it_at_once_as_it_was_raised(tmp_path):
    task = made(tmp_path, mishaps={0: ("mistake", 9)})
    with pytest.raises(ConfigError, match=r"^the template refuses this row\.$"):
        run(task)
    assert task.begun.count(0) == 1


def test_a_bug_shows_where_it_was(tmp_path):
    with pytest.raises(BrokenWorker, match=r"(?s)cpu:\d.*made_task\.py.*nobody foresaw this"):
        run(made(tmp_path, mishaps={0: ("bug", 9)}))


def test_a_key_that_a_worker_prints_logs_or_raises_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv("MADE_API_KEY", "sk-made-0123456789")
    with pytest.raises(BrokenWorker, match=r"nobody takes \*\*\*") as error:
        run(made(tmp_path, mishaps={0: ("shows a key", 9)}))
    logs = "".join(log.read_text() for log in (tmp_path / "work").rglob(".*.log"))
    for said in ("printed ***", "complained ***", "logged ***"):
        assert said in logs
    assert "sk-made" not in str(error.value) + logs


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="part of that path is a file, not a folder"):
        run(made(tmp_path, mishaps={1: ("no folder", 9)}))


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path, whole, monkeypatch):
    task, real, written = made(tmp_path), os.fsync, []

    def third_time_full(descriptor):
        written.append(descriptor)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("handpicked.workers.parts.os.fsync", third_time_full)
        with pytest.raises(StoreError, match=r"no space is left on the disk.*finished work is kept"):
            run(task, "all")
    assert len(list(task.folder.rglob("*.arrow"))) == 2 and not list(task.folder.rglob(".0*"))
    assert bytes_of(run(task)) == whole and len(task.begun) == 11


def test_half_written_and_damaged_parts_are_done_again(tmp_path, whole, caplog):
    task = made(tmp_path)
    files = run(task, "all")
    third, fifth = files.file(files.parts[2]), files.file(files.parts[4])
    third.write_bytes(third.read_bytes()[:50])
    fifth.write_bytes(b"")
    (files.folder / ".000007.123").write_bytes(b"half")
    assert bytes_of(run(task)) == whole
    assert (
        task.begun[10:] in ([2, 4], [4, 2]) and caplog.text.count("is damaged; its part is done again") == 2
    )
    assert not (files.folder / ".000007.123").exists()


def test_parts_of_another_size_are_other_parts(tmp_path):
    task = made(tmp_path)
    run(task, "all", size=4)
    assert len(run(task, "all", size=5).parts) == 8 and len(task.begun) == 18


def test_workers_of_other_versions_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("handpicked.workers.processes.releases", lambda _: {"numpy": "0.1"})
    with pytest.raises(
        WorkerError, match=r"the worker cpu:\d has other versions: numpy is \d.* there and 0\.1 here"
    ):
        run(made(tmp_path))


def test_a_worker_that_cannot_even_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr("handpicked.workers.processes.COMMAND", "raise SystemExit('no such device')")
    with pytest.raises(WorkerError, match=r"no worker is left: cpu:\d: .* code 1, saying 'no such device'"):
        run(made(tmp_path))


def test_a_worker_sweeps_through_its_parts_and_takes_over_what_is_left():
    schedule = Schedule(Squares(Path()), cut([40], 4))
    taken: dict[str, list[int]] = {"a": [], "b": []}

    def take(name):
        part = schedule.take(name)
        taken[name] += [] if part is None else [part.number]

    take("a")
    take("b")
    for name in "bbbba":  # b is the faster one
        schedule.done(name)
        take(name)
    assert taken == {"a": [0, 1], "b": [5, 6, 7, 8, 9]}
    for name in "ba":
        schedule.done(name)
        take(name)
    assert taken == {"a": [0, 1, 2], "b": [5, 6, 7, 8, 9, 3]}
    for name in "ab":
        schedule.done(name)
        take(name)
    assert sorted(taken["a"] + taken["b"]) == list(range(10)) and not schedule.over
    schedule.done("a")
    assert schedule.over and schedule.take("b") is None


def test_a_part_of_a_lost_worker_waits_for_another():
    schedule = Schedule(Squares(Path()), cut([8], 4))
    lost = schedule.take("a")
    schedule.lost("a", "it was killed")
    assert schedule.take("a").number == 1 and schedule.take("b") == lost


def alone(folder: Path) -> subprocess.Popen:
    """The same work in a process that may be killed."""
    code = (
        "from pathlib import Path; from made_task import Squares, run\n"
        f"run(Squares(Path({str(folder)!r}), pause=0.3))"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})


def test_a_killed_parent_leaves_no_worker_behind_and_the_rest_is_done_once(tmp_path, whole):
    task = made(tmp_path)
    process = alone(task.folder)
    while not list(task.folder.rglob("*.arrow")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # for workers that would go on
    begun, done = task.begun, {int(path.stem) for path in task.folder.rglob("*.arrow")}
    assert len(begun) < 10 and len(set(begun) - done) <= 2
    assert bytes_of(run(task)) == whole
    assert all(task.begun.count(part) == 1 for part in done)
    assert all(task.begun.count(part) == 2 for part in set(begun) - done)


def test_a_part_keeps_its_facts(tmp_path):
    files = run(made(tmp_path), "all")
    assert facts_of(files.read(files.parts[0])) == {"sum": 6}
