"""Weights that run code, and code that comes with a model, are refused in one line and never run."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, HandpickedError, MissingPart
from handpicked.models.embed import embed, embedder
from handpicked.models.load import load_model, load_tokenizer, resolve
from handpicked.models.own_code import without_own_code
from handpicked.models.pickles import checked_adapter

pytest.importorskip("transformers", reason="needs the train extra")


class Trap:
    """A pickle that makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def trap(tmp_path: Path):
    """The bytes of a pickle; afterwards nobody has read it."""
    mark = tmp_path / "somebody-read-it"
    yield pickle.dumps(Trap(mark))
    assert not mark.exists()


def one_line(raised) -> str:
    said = str(raised.value)
    assert said and "\n" not in said
    return said


@pytest.fixture(scope="module")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the tiny model."""
    peft = pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("adapter")
    model = load_model(ModelSettings(name=str(tiny_model)), on="cpu")
    peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(folder)
    return folder


def test_an_adapter_of_safetensors_is_taken(tiny_model: Path, adapter: Path):
    assert checked_adapter(adapter) == adapter
    load_model(ModelSettings(name=str(tiny_model)), adapter=adapter, on="cpu")


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt", "adapter_model.pth"])
def test_an_adapter_in_a_pickle_is_refused(
    tiny_model: Path, adapter: Path, tmp_path: Path, trap: bytes, name: str
):
    folder = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    (folder / "adapter_model.safetensors").unlink()
    (folder / name).write_bytes(trap)
    with pytest.raises(ConfigError, match=r"pickle .*safetensors only") as raised:
        load_model(ModelSettings(name=str(tiny_model)), adapter=folder, on="cpu")
    one_line(raised)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("adapter_model.safetensors", b""),
        ("adapter_model.safetensors", b"\xff" * 200),
        ("adapter_config.json", b"5"),
        ("adapter_config.json", b"{"),
        ("adapter_config.json", b'{"peft_type": "NONE_SUCH"}'),
        ("adapter_config.json", b'{"peft_type": "LORA", "r": "two", "target_modules": ["q_proj"]}'),
        ("adapter_config.json", b'{"peft_type": "LORA", "r": 2, "target_modules": ["nowhere"]}'),
    ],
)
def test_a_damaged_adapter_is_one_line(
    tiny_model: Path, adapter: Path, tmp_path: Path, file: str, content: bytes
):
    folder = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    (folder / file).write_bytes(content)
    with pytest.raises(HandpickedError) as raised:
        load_model(ModelSettings(name=str(tiny_model)), adapter=folder, on="cpu")
    one_line(raised)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_model_in_a_pickle_is_refused(tiny_model: Path, tmp_path: Path, trap: bytes, name: str):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(trap)
    with pytest.raises(ConfigError) as raised:
        load_model(ModelSettings(name=str(folder)), on="cpu")
    assert "safetensors" in one_line(raised)


@pytest.mark.parametrize("content", [b"", b"\xff" * 300, b"\x10" + b"\0" * 7 + b"{" * 16])
def test_a_damaged_file_of_weights_is_one_line(tiny_model: Path, tmp_path: Path, content: bytes):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be loaded") as raised:
        load_model(ModelSettings(name=str(folder)), on="cpu")
    one_line(raised)


@pytest.mark.parametrize(
    "config",
    [
        {
            "model_type": "own",
            "auto_map": {"AutoModelForCausalLM": "evil.Own", "AutoConfig": "evil.OwnConfig"},
        },
        {"auto_map": {"AutoModelForCausalLM": "evil.Own"}, "architectures": ["OwnForCausalLM"]},
        {"model_type": ["llama"]},
        {"model_type": "llama", "architectures": 5},
        {"model_type": "own", "auto_map": ["AutoModelForCausalLM"]},
        [],
        5,
        "handpicked",
        None,
    ],
)
def test_code_that_comes_with_a_model_is_not_run_and_a_strange_configuration_is_one_line(
    tiny_model: Path, tmp_path: Path, config
):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (folder / "config.json").write_text(json.dumps(config))
    for ask in (resolve, load_tokenizer, load_model):
        with pytest.raises(ConfigError) as raised:
            ask(ModelSettings(name=str(folder)))
        one_line(raised)
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_with_its_own_code_or_damage_is_one_line(tiny_model: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["evil.Own", "evil.Own"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(own))
    try:  # transformers may know enough to load it without that code
        load_tokenizer(ModelSettings(name=str(folder)))
    except ConfigError as error:
        assert "\n" not in str(error)
    for damage in ("", "{", "5", '{"model": {"type": "BPE", "vocab": 5}}'):
        (folder / "tokenizer.json").write_text(damage)
        with pytest.raises(ConfigError, match="tokenizer") as raised:
            load_tokenizer(ModelSettings(name=str(folder)))
        one_line(raised)
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def small_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random embedder with a Dense module, as published ones have it."""
    st = pytest.importorskip("sentence_transformers")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("embedder")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    BertModel(
        BertConfig(
            vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
        )
    ).save_pretrained(folder / "bert")
    try:
        from sentence_transformers.models import Dense, Pooling, Transformer
    except ImportError:
        pytest.skip("this sentence-transformers has its modules elsewhere")
    parts = [Transformer(str(folder / "bert")), Pooling(8), Dense(8, 4)]
    st.SentenceTransformer(modules=parts, device="cpu").save(str(folder / "made"))
    return folder / "made"


def test_an_embedder_of_safetensors_is_taken(small_embedder: Path):
    assert embed(["a b"], str(small_embedder)).shape == (1, 4)


@pytest.mark.parametrize("part", [".", "2_Dense"])
def test_an_embedder_with_any_part_in_a_pickle_is_refused(
    small_embedder: Path, tmp_path: Path, trap: bytes, part: str
):
    folder = Path(shutil.copytree(small_embedder, tmp_path / "made"))
    (folder / part / "model.safetensors").unlink()
    (folder / part / "pytorch_model.bin").write_bytes(trap)
    embedder.cache_clear()
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin.*safetensors only") as raised:
        embed(["a"], str(folder))
    one_line(raised)


def test_an_embedder_of_the_hub_in_a_pickle_is_refused_too(
    small_embedder: Path, tmp_path: Path, trap: bytes, cached_hub
):
    folder = Path(shutil.copytree(small_embedder, tmp_path / "made"))
    (folder / "2_Dense" / "model.safetensors").unlink()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(trap)
    cached_hub("someone/pickled", folder)
    with pytest.raises(ConfigError, match="safetensors only") as raised:
        embed(["a"], "someone/pickled")
    one_line(raised)


def test_an_embedder_with_modules_of_its_own_is_one_line(small_embedder: Path, tmp_path: Path):
    folder = Path(shutil.copytree(small_embedder, tmp_path / "made"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "evil.Own"
    (folder / "modules.json").write_text(json.dumps(modules))
    embedder.cache_clear()
    with pytest.raises(HandpickedError) as raised:
        embed(["a"], str(folder))
    one_line(raised)
    assert not (tmp_path / "ran").exists()


def test_no_library_may_import_a_class_from_a_models_folder(tmp_path: Path, monkeypatch):
    """Also where the library asks for no trust, as sentence-transformers before 6."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    wanted = ("evil.Own", str(tmp_path))
    says = "The embedder 'x' cannot be loaded: its class 'Own' is defined by code in its own folder"
    with pytest.raises(MissingPart, match=says), without_own_code("The embedder 'x'"):
        dynamic_module_utils.get_class_from_dynamic_module(*wanted)
    assert not (tmp_path / "ran").exists()
    assert dynamic_module_utils.get_class_from_dynamic_module(*wanted).__name__ == "Own", "only within it"
