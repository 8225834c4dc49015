"""Mistakes of ``launch`` and of trackers, found before any work; and plans for machines not at hand."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import yaml

from handpicked.errors import ConfigError
from handpicked.experiment.checks import missing_parts
from handpicked.experiment.file import load
from handpicked.experiment.launching import TRACKERS, launch_mistakes, launched
from handpicked.experiment.planning.dry_run import plan
from handpicked.experiment.planning.dry_run_text import text_of
from handpicked.train.estimate import GIB
from handpicked.workers.devices import parse_devices
from handpicked.workers.machine import CPU, assumed, this_machine


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "pool.jsonl").write_text('{"prompt": "Hi", "response": "yes"}\n' * 30)
    written = {
        "name": "tiny",
        "pool": {"path": str(tmp_path / "pool.jsonl")},
        "train": {"batch_size": 12},
        "arms": {
            "longest": {"by": "longest", "size": 9},
            "own": {"by": "random", "size": 9, "train": {"batch_size": 16}},
        },
        "evaluate": {"prompts": []},
    }
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


def said(file: Path, machine, *overrides: str) -> list[tuple[object, str]]:
    return launch_mistakes(load(file, overrides), machine)


def test_a_batch_that_the_devices_cannot_share_says_what_to_change(file):
    assert said(file, assumed("8xH100"), "train.launch=fsdp") == [
        (
            ("train", "batch_size"),
            "train.batch_size = 12 cannot be shared evenly by 8 devices (launch: "
            "fsdp). Make it a multiple of 8, "
            "or give 6 with --devices.",
        )
    ]
    assert said(file, assumed("4xH100"), "train.launch=fsdp", "arms.own.train.launch=ddp") == []
    assert said(file, assumed("8xH100")) == [], "auto takes as many as share it"


def test_fsdp_on_a_cpu_is_refused_because_it_would_silently_be_ddp(file):
    two = this_machine(parse_devices("cpu:2"))
    ((place, mistake),) = said(file, two, "train.launch=fsdp")
    assert place == ("train", "launch") and "plain DDP" in mistake
    assert said(file, two, "train.launch=ddp") == []


def test_a_launch_that_means_nothing_or_is_no_config(file, tmp_path):
    ((_, mistake),) = said(file, CPU, "train.launch=fdsp")
    assert "neither one of auto, one, ddp, fsdp" in mistake and "Did you mean 'fsdp'" in mistake
    for text, part in (("[1, 2", "cannot be read"), ("a: 1", "no num_processes"), ("", "no num_processes")):
        (tmp_path / "c.yaml").write_text(text)
        ((_, mistake),) = said(file, CPU, f"train.launch={tmp_path / 'c.yaml'}")
        assert part in mistake and "\n" not in mistake
    (tmp_path / "c.yaml").write_text("num_processes: 2\n")
    assert said(file, CPU, f"train.launch={tmp_path / 'c.yaml'}") == []


def test_the_launch_of_the_command_line_is_every_arms(file):
    experiment = launched(load(file), "ddp")
    assert experiment.train.launch == experiment.arms["own"].train.launch == "ddp"
    assert launched(load(file), None) == load(file)


def test_how_it_is_started_is_in_no_fingerprint(file):
    from handpicked.config import result_settings

    one = result_settings(load(file).train.resolved())
    other = result_settings(load(file, ["train.launch=ddp", "train.report_to=[wandb]"]).train.resolved())
    assert one == other and "launch" not in one


def test_trackers_that_nobody_knows_or_that_are_not_installed(file, monkeypatch):
    ((place, mistake),) = said(file, CPU, "train.report_to=[tensorbord]")
    assert place == ("train", "report_to") and "Did you mean 'tensorboard'" in mistake
    monkeypatch.setitem(TRACKERS, "wandb", "a_module_that_is_not_there")
    (missing,) = [one for one in missing_parts(load(file, ["train.report_to=[wandb]"])) if "wandb" in one]
    assert missing == "wandb (train.report_to): not installed. pip install wandb, or leave it out."


def test_four_bits_need_their_library_before_any_work(file, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    lacking = missing_parts(load(file, ["train.method=qlora"]))
    assert "bitsandbytes (train.method: qlora): not installed. pip install bitsandbytes" in lacking
    assert not any("bitsandbytes" in one for one in missing_parts(load(file)))


LLAMA_2_7B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
WEIGHTS = 6_738_415_616
BATCH = 8 * 2048 * (32 * 2 * 4096 + 8 * 32000)
"""Bytes of activations, recomputed, and of logits: eight rows of 2,048 tokens."""
GATHERED = 4 * (2 * 202_383_488 + 2 * 32000 * 4096)
"""Bytes of two layers, embeddings and head in 16 bits, and of their gradients."""
PLANS = {
    "8xH100-80GB": ("fsdp", 8, 16 * WEIGHTS / 8 + GATHERED + BATCH, True),
    "2xA100-80GB": ("fsdp", 2, 16 * WEIGHTS / 2 + GATHERED + BATCH, True),
    "1xRTX4090-24GB": ("one", 1, 16 * WEIGHTS + BATCH, False),
}


@pytest.mark.data
@pytest.mark.parametrize("name", ["llama2-7b-alpaca", "llama2-7b-wizardlm", "llama2-7b-dolly"])
@pytest.mark.parametrize("machine", PLANS)
def test_the_papers_experiments_on_machines_that_are_not_at_hand(
    name, machine, request, real_data, tiny_model, tmp_path, monkeypatch
):
    """With Llama 2's own configuration, and a pool with a row that is longer than the models read."""
    monkeypatch.setenv("HANDPICKED_DATA", str(real_data))
    model = tmp_path / "llama-2-7b"
    shutil.copytree(tiny_model, model, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    (model / "config.json").write_text(json.dumps(LLAMA_2_7B))
    lines = [
        {"prompt": f"What is {i}?", "response": f"number {i} " * (3000 if i == 7 else 9)} for i in range(50)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    experiment = request.config.rootpath / "src/handpicked/experiment/shipped" / f"{name}.yaml"
    sizes = [
        f"arms.{arm}.size=20" for arm in ("random", "kmeans", "quality", "longest") if "wizard" not in name
    ]
    planned = plan(
        experiment, [f"pool={tmp_path / 'pool.jsonl'}", f"model.name={model}", *sizes], assume=machine
    )
    kind, ranks, memory, fits = PLANS[machine]
    assert planned.model["weights"] == WEIGHTS
    for arm in planned.arms:
        assert (arm.launch, arm.ranks, arm.fits) == (kind, ranks, fits)
        assert arm.memory_gib == round(memory / GIB, 1)
    text = text_of(planned)
    if fits:
        each = round(memory / GIB, 1)
        assert f"trained fsdp on {ranks} devices, {each} GiB on each, {ranks * each:.1f} GiB in all: " in text
        assert all(not arm.advice for arm in planned.arms)
    else:
        assert (
            "full training takes 108.3 GiB on a device, more than 90% of 1 x RTX4090 24 GB (assumed)" in text
        )
        assert "train.method: lora (20.9 GiB); train.method: qlora (11.8 GiB)." in text


def test_a_plan_for_this_machine_knows_its_devices(file):
    planned = plan(file, devices="cpu:2")
    assert (planned.devices, {arm.launch for arm in planned.arms}) == (2, {"one"})
    assert "trained one device each, 2 arms side by side: longest, own" in text_of(planned)
    with pytest.raises(ConfigError, match="plain DDP"):
        plan(file, ["train.launch=fsdp"], devices="cpu:2")
    assert plan(file, ["train.launch=fsdp"], assume="2xA100").arms[0].launch == "fsdp"
