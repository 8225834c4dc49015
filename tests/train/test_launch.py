"""Trainings in processes of their own: really started, killed, and gone on with. Weights are compared with
those of a training in this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import ConfigError, TrainingError
from handpicked.train import train
from handpicked.train.checkpoints import is_whole
from handpicked.train.job import write_job
from handpicked.train.launch import Launch, run_training
from handpicked.workers.devices import parse_devices

pytest.importorskip("trl", reason="needs the train extra")

SETTINGS = TrainSettings(epochs=2, batch_size=4, micro_batch_size=2, learning_rate=1e-2, save_every=1, seed=7)
FSDP_ON_CPU = (sys.executable, str(Path(__file__).parent / "fsdp_on_cpu.py"))
TWO = parse_devices("cpu:2")
SHARED = 2e-6
"""The largest difference of a weight between one process and two, in float32: sums in another order."""


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model))


@pytest.fixture
def odd_rows(rows):
    """Thirteen rows, so that the last of the steps of four has two."""
    return [*rows, rows[0]]


def weights(out: Path):
    """Every weight that was saved."""
    from safetensors.torch import load_file

    (file,) = [*out.glob("adapter/*.safetensors"), *out.glob("model/*.safetensors")][:1]
    return load_file(file)


def difference(one: Path, other: Path) -> float:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


def job(rows, model, settings, out: Path) -> Path:
    return write_job(out / "rows", rows, model, settings, out, arm="a")


def test_one_process_gives_the_weights_of_this_one_and_keeps_a_log(rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"merge": False})
    here = train(rows, model, settings, tmp_path / "here", arm="a")
    out, done = tmp_path / "there", []
    launch = Launch("one", parse_devices("cpu"))
    there = run_training(launch, job(rows, model, settings, out), out, arm="a", step=done.append)
    assert there.losses == here.losses and there.adapter == out / "adapter"
    assert (there.ranks, there.sharding, there.device) == (1, "", "cpu")
    assert difference(tmp_path / "here", out) == 0
    log = (out / "train.log").read_text()
    assert log.count("begins: one on cpu") == 1 and f"step 6 of 6: loss {here.losses[-1][1]:.4f}" in log
    assert not (out / "rows").exists() and not (out / "checkpoints").exists()
    assert 0 <= sum(done) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_give_the_weights_of_one(odd_rows, model, tmp_path, kind, method):
    """Real processes over gloo. FSDP2 shards for real; only Accelerate's refusal of it on CPUs is lifted."""
    settings = SETTINGS.model_copy(update={"method": method, "merge": False})
    one = train(odd_rows, model, settings, tmp_path / "one", arm="a")
    out = tmp_path / "two"
    program = {"program": FSDP_ON_CPU} if kind == "fsdp" else {}
    two = run_training(Launch(kind, TWO), job(odd_rows, model, settings, out), out, arm="a", **program)
    assert (one.ranks, two.ranks, two.sharding) == (1, 2, "fsdp" if kind == "fsdp" else "")
    assert two.steps == one.steps == 7, "the batch is that of the settings, over all processes"
    assert [loss for _, loss in two.losses] == pytest.approx([loss for _, loss in one.losses], abs=1e-5)
    assert dict(two.token_accuracies) == pytest.approx(dict(one.token_accuracies))
    assert difference(tmp_path / "one", out) <= SHARED
    assert (out / "train-1.log").is_file()


@pytest.mark.slow
def test_packed_rows_on_two_processes_give_the_weights_of_one(odd_rows, model, tmp_path):
    settings = SETTINGS.model_copy(update={"packing": True, "max_length": 300, "merge": False})
    one = train(odd_rows, model, settings, tmp_path / "one", arm="a")
    out = tmp_path / "two"
    two = run_training(Launch("ddp", TWO), job(odd_rows, model, settings, out), out, arm="a")
    assert (two.ranks, two.steps) == (2, one.steps)
    assert difference(tmp_path / "one", out) <= SHARED


@pytest.mark.slow
def test_fsdp_in_16_bits_trains_adapters_in_32(odd_rows, model, tmp_path):
    """As on a GPU: frozen weights in bfloat16 and adapters in float32 are sharded together."""
    half = model.model_copy(update={"dtype": "bfloat16"})
    settings = SETTINGS.model_copy(update={"merge": False})
    one = train(odd_rows, half, settings, tmp_path / "one", arm="a")
    out = tmp_path / "two"
    two = run_training(
        Launch("fsdp", TWO), job(odd_rows, half, settings, out), out, arm="a", program=FSDP_ON_CPU
    )
    assert (two.ranks, two.sharding) == (2, "fsdp")
    assert str(next(iter(weights(out).values())).dtype) == "torch.float32"
    assert [loss for _, loss in two.losses] == pytest.approx([loss for _, loss in one.losses], abs=0.05)


@pytest.mark.slow
def test_an_accelerate_config_is_launched(rows, model, tmp_path):
    config = tmp_path / "accelerate.yaml"
    config.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nuse_cpu: true\nnum_processes: 1\n"
        "num_machines: 1\nmachine_rank: 0\nmixed_precision: 'no'\n"
    )
    settings = SETTINGS.model_copy(update={"merge": False})
    here = train(rows, model, settings, tmp_path / "here", arm="a")
    out = tmp_path / "there"
    launch = Launch("file", parse_devices("cpu"), config)
    there = run_training(launch, job(rows, model, settings, out), out, arm="a")
    assert there.losses == here.losses and difference(tmp_path / "here", out) == 0


class Running:
    """A training of many steps in a thread, to be disturbed once it has a checkpoint."""

    def __init__(self, launch: Launch, rows, model, settings, out: Path, program=None) -> None:
        self.out, self.stop, self.error = out, threading.Event(), None
        more = {"program": program} if program else {}
        job_file = job(rows, model, settings, out)

        def work():
            try:
                run_training(launch, job_file, out, arm="a", stop=self.stop, **more)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (looked at by the test)
                self.error = error

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def pids(self) -> list[int]:
        """Those of its processes, by rank."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.out / "rows" / "job.json").encode() in words:
                rank = next((one for one in variables if one.startswith(b"RANK=")), b"RANK=0")
                found[int(rank.partition(b"=")[2])] = int(folder.name)
        return [found[rank] for rank in sorted(found)]

    def wait_for_checkpoint(self, processes: int) -> None:
        while not any(is_whole(one, processes) for one in self.out.glob("checkpoints/checkpoint-*")):
            assert self.thread.is_alive(), f"ended before it could be killed: {self.error}"
            time.sleep(0.01)

    def ended(self) -> BaseException | None:
        self.thread.join(60)
        assert not self.thread.is_alive() and not self.pids()
        return self.error


LONG = SETTINGS.model_copy(update={"epochs": 10.0, "merge": False})


@pytest.mark.slow
@pytest.mark.parametrize("who", ["second", "all"])
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_killed_processes_are_reported_and_resumed(rows, model, tmp_path, kind, who):
    """The weights are those of the same processes when nobody kills them, to the last bit."""
    program = FSDP_ON_CPU if kind == "fsdp" else None
    more = {"program": program} if program else {}
    whole = run_training(
        Launch(kind, TWO), job(rows, model, LONG, tmp_path / "whole"), tmp_path / "whole", arm="a", **more
    )
    out = tmp_path / "killed"
    running = Running(Launch(kind, TWO), rows, model, LONG, out, program)
    running.wait_for_checkpoint(2)
    pids = running.pids()
    assert len(pids) == 2
    for pid in pids[1:] if who == "second" else pids:
        os.kill(pid, signal.SIGKILL)
    error = running.ended()
    assert isinstance(error, TrainingError)
    assert "was killed by SIGKILL (process " in str(error) and "train" in str(error)
    assert "\n" not in str(error) and "goes on from its last checkpoint" in str(error)
    resumed = run_training(Launch(kind, TWO), job(rows, model, LONG, out), out, arm="a", **more)
    assert 0 < resumed.resumed_from < whole.steps and resumed.ranks == 2
    assert difference(tmp_path / "whole", out) == 0
    assert (out / "train.log").read_text().count("begins:") == 2


@pytest.mark.slow
def test_a_parent_that_is_killed_takes_its_processes_along(rows, model, tmp_path):
    train(rows, model, LONG, tmp_path / "whole", arm="a")
    out = tmp_path / "killed"
    code = (
        "import sys; from pathlib import Path; from handpicked.train.launch import *; "
        "from handpicked.workers.devices import parse_devices; out = Path(sys.argv[1]); "
        "run_training(Launch('ddp', parse_devices('cpu:2')), out / 'rows' / 'job.json', out, arm='a')"
    )
    job(rows, model, LONG, out)
    parent = subprocess.Popen([sys.executable, "-c", code, str(out)])
    watched = Running.__new__(Running)
    watched.out = out
    while not any(is_whole(one, 2) for one in out.glob("checkpoints/checkpoint-*")):
        assert parent.poll() is None
        time.sleep(0.01)
    assert len(watched.pids()) == 2
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while watched.pids() and time.monotonic() < until:
        time.sleep(0.05)
    assert watched.pids() == []
    assert not (out / "adapter").exists()
    resumed = run_training(Launch("ddp", TWO), job(rows, model, LONG, out), out, arm="a")
    assert resumed.resumed_from > 0 and difference(tmp_path / "whole", out) <= 10 * SHARED
    # on another number of devices the checkpoints are of no use, and nothing is taken from them
    alone = run_training(Launch("one", parse_devices("cpu")), job(rows, model, LONG, out), out, arm="a")
    assert alone.resumed_from == 0 and difference(tmp_path / "whole", out) == 0


@pytest.mark.slow
def test_stopping_ends_the_processes(rows, model, tmp_path):
    running = Running(Launch("ddp", TWO), rows, model, LONG, tmp_path / "out")
    running.wait_for_checkpoint(2)
    running.stop.set()
    assert isinstance(running.ended(), KeyboardInterrupt)


def test_what_is_the_users_to_fix_comes_back_as_what_it_is(rows, model, tmp_path):
    out = tmp_path / "out"
    file = job(rows, model, SETTINGS.model_copy(update={"learning_rate": 1e-20}), out)
    with pytest.raises(TrainingError, match="cannot move a weight"):
        run_training(Launch("one", parse_devices("cpu")), file, out, arm="a")
    gone = model.model_copy(update={"name": str(tmp_path / "gone")})
    text = file.read_text().replace(model.name, gone.name)
    file.write_text(text)
    with pytest.raises(ConfigError, match="There is no model folder"):
        run_training(Launch("one", parse_devices("cpu")), file, out, arm="a")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('what I was doing'); import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL; its last line: what I was doing."),
        ("import sys; print('half', file=sys.stderr); sys.exit(3)", "ended with exit code 3: half."),
        ("raise RuntimeError('CUDA out of memory. Tried to allocate')", "Lower train.micro_batch_size"),
        ("pass", "ended without a result"),
    ],
)  # fmt: skip
def test_the_last_words_of_a_process_are_quoted_in_one_line(tmp_path, code, said):
    """Processes of Python's own, which know nothing of how to say what happened."""
    program = tmp_path / "program.py"
    program.write_text(code)
    (tmp_path / "out" / "rows").mkdir(parents=True)
    with pytest.raises(TrainingError) as error:
        run_training(
            Launch("one", parse_devices("cpu")),
            tmp_path / "out" / "rows" / "job.json",
            tmp_path / "out",
            arm="a",
            program=(sys.executable, str(program)),
        )
    assert said in str(error.value) and "\n" not in str(error.value)
    assert str(tmp_path / "out" / "train.log") in str(error.value)


def test_a_process_that_dies_ends_one_that_would_wait_for_it_for_ever(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\nif os.environ['RANK'] == '0':\n    "
        "time.sleep(600)\nprint('no more')\nsys.exit(3)"
    )
    job_file = tmp_path / "out" / "rows" / "job.json"
    job_file.parent.mkdir(parents=True)
    began = time.monotonic()
    with pytest.raises(
        TrainingError, match=r"ended with exit code 3 \(process 1 of 2\): no more\. Its log is .*1"
    ):
        run_training(
            Launch("ddp", TWO), job_file, tmp_path / "out", arm="a", program=(sys.executable, str(program))
        )
    assert time.monotonic() - began < 60
    assert (tmp_path / "out" / "train.log").read_text().count("no more") == 0
