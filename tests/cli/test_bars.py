"""Progress where there is no terminal: a line now and then, with the remaining time."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from handpicked.cli import bars as bars_module
from handpicked.cli import terminal
from handpicked.cli.bars import bars
from handpicked.cli.terminal import Volume


def lines(capfd):
    return capfd.readouterr().err.splitlines()


def test_a_line_tells_how_far_it_is_and_how_long_it_will_take(capfd):
    with bars(every=0.05) as progress, progress("train longest", total=4) as step:
        time.sleep(0.12)
        step(1)
        time.sleep(0.12)
    output = lines(capfd)
    assert 2 <= len(output) <= 6
    assert re.fullmatch(r"train longest: 0 of 4 \(0%\), 0\.\d s so far, time left not known yet", output[0])
    found = re.fullmatch(
        r"train longest: 1 of 4 \(25%\), (\d\.\d) s so far, some (\d\.\d) s left", output[-1]
    )
    assert found and float(found[2]) == pytest.approx(3 * float(found[1]), abs=0.2)


def test_work_of_unknown_length_and_work_inside_other_work_are_reported_too(capfd):
    with bars(every=0.05) as progress, progress("score", total=None) as step:
        step(12_345)
        with progress("embed", total=2):
            time.sleep(0.08)
    output = lines(capfd)
    assert output[0].startswith("score: 12,345 done, ") and output[1].startswith("embed: 0 of 2 (0%)")


def test_short_work_and_its_end_say_nothing(capfd):
    with bars(every=0.05) as progress:
        with progress("train", total=2) as step:
            step(2)
        time.sleep(0.12)
    assert lines(capfd) == []
    with bars() as progress, progress("train", total=2) as step:
        step(1)
    assert bars_module.EVERY == 30 and lines(capfd) == []


def test_quiet_is_quiet(capfd, monkeypatch):
    monkeypatch.setattr(terminal, "_volume", Volume.QUIET)
    with bars(every=0.01) as progress, progress("train", total=2) as step:
        step(1)
        time.sleep(0.05)
    assert lines(capfd) == []


def test_the_thread_ends_with_an_error(capfd):
    with pytest.raises(KeyError), bars(every=0.02) as progress, progress("train", total=2):
        raise KeyError("x")
    lines(capfd)
    time.sleep(0.06)
    assert lines(capfd) == []


def test_a_process_that_ends_early_does_not_wait_for_the_next_line():
    code = "from handpicked.cli.bars import bars\nwith bars() as p, p('x', 2): pass"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert time.monotonic() - began < 20
