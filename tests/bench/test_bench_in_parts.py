"""Benchmarks in parts: the same numbers whoever asks the model, no part twice, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from counted_model import CountedModel
from made_benchmarks import write_benchmarks

from handpicked.bench import BENCHMARKS, BenchmarkFailed, InParts, evaluate, find
from handpicked.config import ModelSettings
from handpicked.workers import Workers

pytest.importorskip("lm_eval", reason="needs the bench extra")

NAMES = ["winogrande", "mmlu", "gsm8k"]
"""Likelihoods, likelihoods of one token in a group of tasks, and answers."""
PARTS = 4 + 6 + 3
"""Of 2 documents, of all three."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Of 2 documents in place of 64."""
    from lm_eval.models.huggingface import HFLM

    monkeypatch.setattr("handpicked.bench.in_parts.DOCUMENTS", 2)
    monkeypatch.setattr(HFLM, "max_gen_toks", 8)  # so that it is put back after the counted models


@pytest.fixture
def model(long_model, tmp_path):
    return CountedModel(
        ModelSettings(name=str(long_model), dtype="float32"), None, "auto", 4, log=tmp_path / "begun"
    )


def ran(model, files, work, devices="all", names=NAMES):
    found = []
    for name in names:
        lm = InParts(model, work / name, Workers(devices=devices))
        found.append(evaluate(name, lm, find(BENCHMARKS[name], files)))
    return found


@pytest.fixture
def whole(opened, files, tmp_path, monkeypatch):
    """In this process, a benchmark in one part."""
    with monkeypatch.context() as patch:
        patch.setattr("handpicked.bench.in_parts.DOCUMENTS", 64)
        return ran(opened, files, tmp_path / "whole")


def test_parts_change_no_number_and_none_is_done_twice(model, whole, files, tmp_path):
    assert ran(model, files, tmp_path / "parts") == whole
    assert len(model.begun) == len(set(model.begun)) == PARTS
    assert ran(model, files, tmp_path / "parts") == whole, "all answers are there"
    assert len(model.begun) == PARTS


def test_what_was_answered_before_it_broke_off_is_kept(model, whole, files, tmp_path):
    broken = replace(model, at=5, mishap="the kernel gave up")
    with pytest.raises(BenchmarkFailed, match=r"^RuntimeError: the kernel gave up$"):
        ran(broken, files, tmp_path / "parts")
    assert ran(model, files, tmp_path / "parts") == whole
    assert len(model.begun) == PARTS + 1 and len(set(model.begun)) == PARTS


def test_a_device_that_refuses_breaks_off_one_benchmark(model, files, tmp_path):
    refuses = replace(model, at=1, mishap="CUDA out of memory. Tried to allocate 2.00 GiB")
    with pytest.raises(BenchmarkFailed, match=r"cpu refused part 1 \(documents 1 to 2\): CUDA out of memory"):
        ran(refuses, files, tmp_path / "parts", names=["winogrande"])


def test_answers_to_other_requests_are_not_taken(model, files, tmp_path):
    ran(model, files, tmp_path / "parts", names=["winogrande"])
    others = write_benchmarks(tmp_path / "others", rows=4)
    (expected,) = ran(model, others, tmp_path / "new", names=["winogrande"])
    assert ran(model, others, tmp_path / "parts", names=["winogrande"]) == [expected]
    assert len(model.begun) == 3 * 4


def test_documents_of_one_length_share_a_part(model, files, tmp_path):
    """The longest first, whatever their place in the benchmark."""
    asked = []

    class Heard(CountedModel):
        def noting(self, do):
            return lambda requests: asked.append([len(one.args[0]) for one in requests]) or do(requests)

    ran(Heard(model.model, log=model.log), files, tmp_path / "parts", names=["winogrande"])
    longest = [max(part) for part in asked]
    assert longest == sorted(longest, reverse=True) and [len(part) for part in asked] == [4] * 4


@pytest.mark.slow  # each worker loads torch and lm-eval
@pytest.mark.parametrize(
    ("devices", "name"), [("cpu:2", "mmlu"), ("cpu:2", "gsm8k"), ("cpu:3", "winogrande")]
)
def test_two_and_three_workers_give_the_same_numbers(model, opened, files, tmp_path, devices, name):
    whole = ran(opened, files, tmp_path / "whole", names=[name])
    assert ran(model, files, tmp_path / "parts", devices, [name]) == whole
    assert len(model.begun) == len(set(model.begun)) == {"winogrande": 4, "mmlu": 6, "gsm8k": 3}[name]


@pytest.mark.slow
def test_a_killed_workers_part_is_done_by_another_and_the_documents_are_counted(
    model, whole, files, tmp_path
):
    heard = []

    @contextmanager
    def progress(label, total):
        heard.append((label, total))
        yield counts.append

    counts: list[float] = []
    lm = InParts(replace(model, at=2, mishap="killed"), tmp_path / "parts", Workers(devices="cpu:2"), "wino")
    lm.progress = progress
    assert evaluate("winogrande", lm, find(BENCHMARKS["winogrande"], files)) == whole[0]
    assert len(model.begun) == 5 and len(set(model.begun)) == 4
    assert heard == [("wino (documents)", 8)] and sum(counts) == pytest.approx(8)


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_benchmarks_reason(model, files, tmp_path):
    broken = replace(model, at=1, mishap="the kernel gave up")
    with pytest.raises(BenchmarkFailed, match=r"^RuntimeError: the kernel gave up$"):
        ran(broken, files, tmp_path / "parts", "cpu:2", names=["winogrande"])


@pytest.mark.slow
def test_what_a_killed_parent_left_is_not_done_again(model, whole, files, tmp_path):
    code = (
        "import sys; from pathlib import Path; import handpicked.bench.in_parts as parts\n"
        "from test_bench_in_parts import ran; from counted_model import CountedModel\n"
        "from handpicked.config import ModelSettings; parts.DOCUMENTS = 2\n"
        f"model = CountedModel(ModelSettings(name={model.model.name!r}, dtype='float32'), None, 'auto', 4,"
        f" log=Path({str(model.log)!r}))\n"
        f"ran(model, Path({str(files)!r}), Path({str(tmp_path / 'parts')!r}), 'cpu:2', ['winogrande'])"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})
    while len(list((tmp_path / "parts").rglob("*.arrow"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # for workers that would go on
    begun, done = model.begun, len(list((tmp_path / "parts").rglob("*.arrow")))
    assert 2 <= done <= 4 and len(begun) - done <= 2
    assert ran(model, files, tmp_path / "parts", "cpu:2", ["winogrande"]) == whole[:1]
    assert len(set(model.begun)) == 4 and len(model.begun) == 4 + len(begun) - done
