"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from local_hub import Hub, local_hub
from local_s3 import LocalS3, local_s3

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: ``HANDPICKED_DATA``, or ``../shared/data`` beside the repository."""
    folder = Path(os.environ.get("HANDPICKED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip(f"the real data sets are not at {folder}; set HANDPICKED_DATA to their folder")
    return folder


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch with two threads, as many as CI's machines have."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cached_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], str]:
    """No hub in reach, and a cache of it: a function that puts a folder there as
    ``owner/name`` and gives its commit.
    """
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(name: str, folder: Path) -> str:
        commit = f"{len(name):040x}"
        repository = cache / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / commit)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(commit)
        return commit

    return put


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama of 50 thousand weights and a byte-level tokenizer with
    ChatML's template, made here.

    Like SmolLM2's, its padding, end-of-text and ``<|im_end|>`` are one token, and its
    template adds a system prompt.
    """
    pytest.importorskip("transformers", reason="needs the train extra")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-model")
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=(
            "{% for m in messages %}{% if loop.first and m['role'] != 'system' "
            "%}<|im_start|>system\nBe kind.<|im_end|>\n"
            "{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        ),
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        initializer_range=0.5,  # spread-out logits, so that greedy choices are no coin tosses
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def one_s3() -> Iterator[LocalS3]:
    """One for all tests of a process: Daft keeps its connection for the life of it."""
    pytest.importorskip("moto", reason="a local S3 is not installed: pip install 'moto[s3]' flask flask-cors")
    with local_s3() as found:
        found.put("pools")
        yield found


@pytest.fixture
def s3(one_s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> LocalS3:
    """A local S3 with the bucket ``pools``, by the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": one_s3.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return one_s3


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A local hub, which ``huggingface_hub`` takes for the real one in this process, with empty caches and no
    token. A child process gets the same by its environment.
    """
    from huggingface_hub import constants

    home = tmp_path / "hf-home"
    with local_hub() as served:
        for name, value in {
            "HF_ENDPOINT": served.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(home),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }.items():
            monkeypatch.setenv(name, value)
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, patched in {
            "ENDPOINT": served.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(constants, name, patched)
        yield served
