"""The arms of an experiment in processes of their own: side by side, none twice,
whatever is killed or fails.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from handpicked.errors import TrainingError
from handpicked.experiment.file import load
from handpicked.experiment.run import run
from handpicked.experiment.stages import _say_rows

pytest.importorskip("trl", reason="needs the train extra")

ARMS = {
    "base": {"by": "none"},
    "longest": {"by": "longest", "size": 16},
    "random": {"by": "random", "size": 8},
    "shortest": {"by": "shortest", "size": 8},
}


@pytest.fixture
def experiment(tmp_path: Path, tiny_model: Path) -> Path:
    """Three arms to train; the first takes the most steps."""
    lines = [
        {"prompt": f"Say something about {i}.", "response": f"stone{i} river " * (i % 9 + 1)}
        for i in range(40)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    written = {
        "name": "tiny",
        "pool": {"path": str(tmp_path / "pool.jsonl")},
        "model": {"name": str(tiny_model)},
        "train": {"epochs": 4, "batch_size": 4, "max_length": 200, "save_every": 1, "learning_rate": 1e-3, "merge": False},
        "arms": ARMS,
        "evaluate": {"prompts": [], "judges": []},
    }  # fmt: skip
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


def begun(out: Path) -> dict[str, list[str]]:
    """Of every arm, the devices that its training has begun on, one an attempt."""
    logs = [*out.glob("model/*/train.log"), *out.glob(".work/model/*/train.log")]
    return {
        log.parent.name: [
            line.partition("begins: one on ")[2]
            for line in log.read_text().splitlines()
            if "begins: " in line
        ]
        for log in sorted(logs)
    }


def adapters(out: Path) -> dict[str, bytes]:
    return {
        name: (out / "model" / name / "adapter" / "adapter_model.safetensors").read_bytes()
        for name in ARMS
        if name != "base"
    }


def command(experiment: Path, out: Path, devices: str) -> subprocess.Popen[str]:
    words = ["train", str(experiment), "-o", str(out), "--devices", devices]
    return subprocess.Popen(
        [sys.executable, "-m", "handpicked", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trained_by(out: Path) -> list[int]:
    """The processes that train into ``out``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"handpicked.train" in words and any(word.startswith(os.fsencode(out)) for word in words):
            found.append(int(folder.name))
    return found


def wait_until(true, process: subprocess.Popen[str]) -> None:
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.slow
def test_arms_are_trained_side_by_side_and_none_twice(experiment, tmp_path):
    """Two workers give the bytes of one; a second run trains nothing, on any number of devices."""
    read = load(experiment)
    for devices, out in (("cpu", tmp_path / "one"), ("cpu:2", tmp_path / "two")):
        run(read, out, until="train", devices=devices)
    assert adapters(tmp_path / "one") == adapters(tmp_path / "two")
    assert begun(tmp_path / "one") == {name: ["cpu"] for name in ("longest", "random", "shortest")}
    two = begun(tmp_path / "two")
    assert [len(attempts) for attempts in two.values()] == [1, 1, 1]
    assert {two["longest"][0], two["random"][0]} == {"cpu:0", "cpu:1"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "model").rglob("*")}
    run(read, tmp_path / "two", until="train", devices="cpu:3")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "model").rglob("*")} == before


@pytest.mark.slow
def test_an_arm_that_fails_takes_no_other_along(experiment, tmp_path):
    broken = load(
        experiment, ["arms.longest.train={method: full, learning_rate: 1e30, epochs: 4, batch_size: 4}"]
    )
    said: list[str] = []
    out = tmp_path / "out"
    with pytest.raises(TrainingError, match="learning_rate"):
        run(broken, out, until="train", devices="cpu:2", say=said.append)
    assert (out / "model" / "random" / "stage.json").is_file(), "what ran beside it came to its end"
    assert not (out / "model" / "longest").exists()
    run(load(experiment), out, until="train", devices="cpu:2")
    assert [len(attempts) for attempts in begun(out).values()] == [1, 1, 1], "random is not trained again"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_process_and_goes_on(experiment, tmp_path, number):
    whole = command(experiment, tmp_path / "whole", "cpu")
    assert whole.wait() == 0, whole.communicate()
    out = tmp_path / "out"
    stopped = command(experiment, out, "cpu:2")
    wait_until(
        lambda: len(list(out.glob(".work/model/*/checkpoints/checkpoint-*/trainer_state.json"))) > 1, stopped
    )
    stopped.send_signal(number)
    _, output = stopped.communicate(timeout=60)
    assert stopped.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in output
    until = time.monotonic() + 20
    while trained_by(out) and time.monotonic() < until:
        time.sleep(0.05)
    assert trained_by(out) == []
    done = {folder.name for folder in out.glob("model/*") if (folder / "stage.json").is_file()}
    again = command(experiment, out, "cpu:2")
    assert again.wait() == 0, again.communicate()
    assert adapters(out) == adapters(tmp_path / "whole")
    attempts = {name: len(devices) for name, devices in begun(out).items()}
    assert all(attempts[name] == (1 if name in done else attempts[name]) for name in attempts)
    assert max(attempts.values()) == 2


@pytest.mark.slow
def test_a_training_that_ended_before_its_run_did_is_not_repeated(experiment, tmp_path):
    """As where the run is killed after the model is made and before the manifest is written."""
    out = tmp_path / "out"
    run(load(experiment), out, until="train", only=["random"], devices="cpu")
    facts = json.loads((out / "model" / "random" / "stage.json").read_text())["facts"]
    before = adapters_of(out, "random")
    stage = json.loads((out / "model" / "random" / "stage.json").read_text())
    work = out / ".work" / "model" / "random"
    (out / "model" / "random").rename(work)
    (work / "stage.json").unlink()
    folders = {"adapter": "adapter", "merged": None}
    (work / "train.json").write_text(json.dumps({**facts, **folders}))
    depends = {name: stage[name] for name in ("inputs", "settings", "versions", "libraries") if name in stage}
    note = {
        "fingerprint": stage["fingerprint"],
        "seconds": 1.0,
        "since": None,
        "kept": [],
        "depends": depends,
    }
    (work / ".started.json").write_text(json.dumps(note))
    run(load(experiment), out, until="train", only=["random"], devices="cpu")
    assert begun(out)["random"] == ["cpu"] and adapters_of(out, "random") == before
    assert json.loads((out / "model" / "random" / "stage.json").read_text())["facts"] == facts


def adapters_of(out: Path, name: str) -> bytes:
    return (out / "model" / name / "adapter" / "adapter_model.safetensors").read_bytes()


def test_rows_that_a_training_cannot_hold_are_told():
    told: list[str] = []
    job: Any = SimpleNamespace(store=SimpleNamespace(say=told.append))
    facts = {"rows_in_subset": 8, "rows_used": 7, "rows_without_room": 1, "rows_truncated": 2}
    _say_rows(job, "longest", facts)
    assert told == [
        "model/longest: 1 of 8 rows are left out, because their prompts leave no room for a response within "
        "train.max_length",
        "model/longest: 2 of 7 rows are cut to train.max_length tokens",
    ]
