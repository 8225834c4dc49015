"""How a 7B model is started on machines of different sizes, against figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handpicked.config import TrainSettings
from handpicked.train.estimate import GIB, ModelSize, Work
from handpicked.train.fit import fit
from handpicked.workers.devices import Device
from handpicked.workers.machine import CPU, assumed

LLAMA_7B = ModelSize(6_738_415_616, 32, 4096, 11008, 32000, 32 * (4 * 8192 + 3 * (4096 + 11008)))
WORK = Work(1000, 500.0, 5000, LLAMA_7B)
FULL = TrainSettings(method="full", micro_batch_size=8, max_length=2048, gradient_checkpointing=True)
BATCH = 8 * 2048 * (32 * 2 * 4096) + 8 * 8 * 2048 * 32000
"""Bytes of activations and logits of eight rows of 2,048 tokens."""
STATE = 16 * 6_738_415_616
"""Bytes of weights, gradients and AdamW's moments in float32."""
GATHERED = 4 * (2 * 202_383_488 + 2 * 32000 * 4096)
"""Bytes of two layers, embeddings and head in 16 bits, and of their gradients."""


@pytest.mark.parametrize(("machine", "ranks"), [("8xH100-80GB", 8), ("2xA100-80GB", 2)])
def test_full_training_of_7b_is_shared_out_where_one_device_is_too_small(machine, ranks):
    found = fit(FULL, assumed(machine), WORK)
    assert (found.kind, found.ranks, found.fits, found.advice) == ("fsdp", ranks, True, "")
    assert found.memory == STATE // ranks + GATHERED + BATCH


def test_on_24_gb_adapters_are_advised_with_what_they_take():
    found = fit(FULL, assumed("1x24GB"), WORK)
    assert (found.kind, found.ranks, found.fits) == ("one", 1, False)
    assert found.memory == STATE + BATCH == 116_303_921_152
    adapter = 12 * 16 * 2_498_560
    lora, qlora = 2 * LLAMA_7B.weights + adapter + BATCH, 0.55 * LLAMA_7B.weights + adapter + BATCH
    assert found.advice == (
        "full training takes 108.3 GiB on a device, more than 90% of 1 x 24 GB (assumed). These would fit: "
        f"train.method: lora ({lora / GIB:.1f} GiB); train.method: qlora ({qlora / GIB:.1f} GiB)."
    )


def test_lora_of_7b_fits_one_device_and_goes_side_by_side():
    found = fit(FULL.model_copy(update={"method": "lora"}), assumed("8xH100-80GB"), WORK)
    assert (found.kind, found.ranks, found.fits) == ("one", 1, True)


def test_ddp_has_everything_on_each_device_and_gradients_twice():
    settings = FULL.model_copy(update={"launch": "ddp"})
    found = fit(settings, assumed("8xH100-80GB"), WORK)
    assert (found.kind, found.ranks, found.fits) == ("ddp", 8, False)
    assert found.memory == STATE + 4 * LLAMA_7B.weights + BATCH
    assert "train.launch: auto (22.9 GiB)" in found.advice


def test_a_smaller_micro_batch_is_advised_where_it_is_enough():
    thick = FULL.model_copy(update={"micro_batch_size": 64, "gradient_checkpointing": False})
    found = fit(thick, assumed("2xH200"), WORK)
    assert found.fits is False
    assert "train.micro_batch_size: 1 with train.gradient_checkpointing: true" in found.advice


def test_where_nothing_fits_it_is_reported():
    found = fit(FULL, assumed("1x4GB"), WORK)
    assert "Nothing that train offers fits there" in found.advice


def test_a_batch_is_shared_by_as_many_devices_as_divide_it():
    found = fit(FULL.model_copy(update={"batch_size": 6}), assumed("8xH100-80GB"), WORK)
    assert (found.kind, found.ranks) == ("fsdp", 6)


def test_four_bits_are_not_shared_out():
    big = replace(WORK, size=replace(LLAMA_7B, weights=100 * LLAMA_7B.weights))
    found = fit(TrainSettings(method="qlora"), assumed("8x24GB"), big)
    assert (found.kind, found.fits) == ("one", False)


def test_what_is_not_known_is_not_made_up():
    assert fit(FULL, CPU, None).memory is None
    unknown = fit(FULL, CPU, WORK)
    assert (unknown.kind, unknown.fits) == ("one", None)
    workers = replace(CPU, devices=(Device("cpu", 0, 2), Device("cpu", 1, 2)), memory=GIB)
    assert fit(FULL, workers, WORK).kind == "one", "arms go side by side on a CPU"
    assert fit(FULL.model_copy(update={"launch": "ddp"}), workers, WORK).ranks == 2


@pytest.mark.parametrize("launch", ["one", "ddp", "fsdp"])
def test_one_device_has_one_process_which_shares_nothing(launch):
    found = fit(FULL.model_copy(update={"launch": launch}), assumed("1xH200"), WORK)
    assert (found.kind, found.ranks) == ("one", 1)
