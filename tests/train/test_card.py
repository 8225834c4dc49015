"""Cards of trained models: metadata that the hub reads, and what is uploaded with them loads again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.train import train
from handpicked.train.card import write_card

pytest.importorskip("trl", reason="needs the train extra")
SETTINGS = TrainSettings(epochs=1, batch_size=4, micro_batch_size=2, learning_rate=1e-2, seed=7)

LOAD = """
import json, sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
merged = AutoModelForCausalLM.from_pretrained("me/merged")
adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(sys.argv[1]), "me/adapter")
ids = AutoTokenizer.from_pretrained("me/merged")("Count to 3.", return_tensors="pt")["input_ids"]
with torch.no_grad():
    print(json.dumps([model(ids).logits[0, -1, :5].tolist() for model in (merged, adapted)]))
"""


@pytest.fixture(scope="module")
def trained(rows, tiny_model, tmp_path_factory):
    return train(
        rows, ModelSettings(name=str(tiny_model)), SETTINGS, tmp_path_factory.mktemp("out"), arm="longest"
    )


@pytest.mark.slow
def test_the_cards_are_valid_and_a_pushed_model_loads_with_its_card(hub, trained, tiny_model, monkeypatch):
    """As docs/training.md says: by huggingface_hub alone."""
    import torch
    from huggingface_hub import HfApi, ModelCard
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("HF_TOKEN", hub.token)
    api = HfApi()
    for name, folder, library in (
        ("adapter", trained.adapter, "peft"),
        ("merged", trained.merged, "transformers"),
    ):
        card = ModelCard.load(folder / "README.md")
        card.validate()
        assert card.data.library_name == library and card.data.pipeline_tag == "text-generation"
        assert card.data.base_model is None, "a folder of this machine means nothing to others"
        api.create_repo(f"me/{name}", private=True)
        api.upload_folder(repo_id=f"me/{name}", folder_path=folder)
        pushed = next(reversed(hub.repositories[f"models/me/{name}"].commits.values()))
        assert pushed["README.md"] == (folder / "README.md").read_bytes()
    done = subprocess.run([sys.executable, "-c", LOAD, str(tiny_model)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    merged, adapted = json.loads(done.stdout)
    here = AutoModelForCausalLM.from_pretrained(trained.merged)
    ids = AutoTokenizer.from_pretrained(trained.merged)("Count to 3.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert merged == pytest.approx(here(ids).logits[0, -1, :5].tolist(), abs=1e-6)
    assert merged == pytest.approx(adapted, abs=1e-4)


@pytest.mark.parametrize(("kind", "relation"), [("adapter", "adapter"), ("model", "finetune")])
def test_a_base_model_of_the_hub_is_in_the_metadata(trained, tmp_path, kind, relation):
    from huggingface_hub import ModelCard

    write_card(tmp_path, kind, trained, ModelSettings(name="owner/base"), SETTINGS, "owner/base@abc")
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.base_model == "owner/base" and data.to_dict()["base_model_relation"] == relation
    write_card(tmp_path, kind, trained, ModelSettings(), SETTINGS, "bundled")
    assert ModelCard.load(tmp_path / "README.md").data.base_model is None
