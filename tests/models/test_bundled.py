"""The bundled models: converted exactly, once, whoever asks and whenever somebody is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handpicked.config import BUNDLED_EMBEDDER, BUNDLED_LM, ModelSettings
from handpicked.models.bundled import bundled_folder, bundled_source
from handpicked.models.embed import embed
from handpicked.models.load import identity, load_model, load_tokenizer

pytestmark = pytest.mark.models
for part in ("gguf", "transformers", "sentence_transformers"):
    pytest.importorskip(part, reason="needs the demo extra")


def test_the_tokenizer_splits_digits_one_by_one_and_keeps_texts():
    tokenizer = load_tokenizer(ModelSettings())
    assert tokenizer.tokenize("In 2024, 3.14") == [
        "In",
        "Ġ",
        "2",
        "0",
        "2",
        "4",
        ",",
        "Ġ",
        "3",
        ".",
        "1",
        "4",
    ]
    text = "  Grüße 👋\n\tx = 10**6  "
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert (
        tokenizer.pad_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>") == 2
    )


def test_the_model_knows_the_capital_of_france():
    tokenizer, model = load_tokenizer(ModelSettings()), load_model(ModelSettings())
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**inputs, max_new_tokens=10, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "The capital of France is Paris.<|im_end|>"


def test_identity_is_of_the_wheels_file():
    assert identity(ModelSettings()).startswith(f"{BUNDLED_LM}@sha256:")


def test_embeddings_are_normalised_and_mean_something():
    vectors = embed(["A cat sat on the mat.", "A kitten was sitting on a rug.", "Stocks fell sharply."])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == "float32"
    near, far = float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])
    assert near > far + 0.3
    assert abs(float(vectors[0] @ vectors[0]) - 1) < 1e-5
    assert embed([]).shape == (0, 384)
    assert bundled_folder(BUNDLED_EMBEDDER).is_dir()


@pytest.mark.slow
def test_weights_equal_transformers_own_conversion():
    import torch
    from transformers import AutoModelForCausalLM

    source = bundled_source(BUNDLED_LM)
    theirs = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name).state_dict()
    ours = load_model(ModelSettings(dtype="float32"), on="cpu").state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


CONVERT = (
    "from handpicked.models.bundled import bundled_folder as f; print(f('bundled:smollm2-135m-instruct'))"
)


@pytest.mark.slow
def test_two_at_once_after_one_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path))
    killed = subprocess.Popen([sys.executable, "-c", CONVERT])
    while not list(tmp_path.glob("models/*.partial/config.json")):
        assert killed.poll() is None, "converted before it could be killed"
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not [
        path for path in tmp_path.glob("models/smollm2*") if path.is_dir() and path.suffix != ".partial"
    ]

    both = [
        subprocess.Popen([sys.executable, "-c", CONVERT], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    folders = {process.communicate()[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = (Path(name) for name in folders)
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == 49152
    assert not list(tmp_path.glob("models/*.partial"))
