"""The published test sets are read as the prompts that their papers ask."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read_prompts
from handpicked.errors import PoolError
from handpicked.records import messages_id

SETS = [
    ("prompts/vicuna_80.parquet", 80, 9, 0),
    ("prompts/koala_180.parquet", 180, 1, 0),
    ("prompts/wizardlm_218.parquet", 217, 29, 0),  # one of the 218 is asked twice
    ("prompts/self_instruct_252.parquet", 252, 71, 252),
    ("prompts/lima_test_300.parquet", 300, 1, 0),
    ("prompts/alpaca_eval_805.parquet", 805, 5, 0),
    ("prompts/mt_bench_80.parquet", 80, 8, 38),
    ("prompts/arena_hard_v0_1_500.parquet", 500, 1, 0),
    ("prompts/arena_hard_v2_0_750.parquet", 750, 2, 0),
    ("prompts/biggen_bench.parquet", 775, 9, 775),
    ("prompts/pandalm_170.parquet", 170, 50, 0),
    ("native/vicuna_test_set.jsonl.gz", 80, 9, 0),
    ("native/koala_test_set.jsonl.gz", 180, 1, 0),
    ("native/wizardlm_test_set.jsonl.gz", 217, 29, 0),
    ("native/sinstruct_test_set.jsonl.gz", 252, 71, 252),
    ("native/lima_test.jsonl.gz", 300, 1, 0),
    ("native/ifeval_input_data.jsonl.gz", 541, 1, 0),
    ("native/gsm8k_test.jsonl.gz", 1319, 1, 1319),
]


@pytest.mark.data
@pytest.mark.parametrize(("file", "count", "categories", "references"), SETS)
def test_published_sets(real_data, file, count, categories, references):
    prompts = read_prompts(real_data / file, "set")
    assert len(prompts) == len({prompt.prompt_id for prompt in prompts}) == count
    assert len({prompt.category for prompt in prompts}) == categories
    assert sum(prompt.reference is not None for prompt in prompts) == references
    assert all(prompt.text.strip() and prompt.test_set == "set" for prompt in prompts)


@pytest.mark.data
def test_parquet_and_native_copies_ask_the_same(real_data):
    for one, other in (
        ("vicuna_80", "vicuna"),
        ("koala_180", "koala"),
        ("wizardlm_218", "wizardlm"),
        ("self_instruct_252", "sinstruct"),
    ):
        parquet = read_prompts(real_data / "prompts" / f"{one}.parquet", "set")
        native = read_prompts(real_data / "native" / f"{other}_test_set.jsonl.gz", "set")
        assert parquet == native


SHAPES = [
    ({"question_id": 1, "text": "Q", "category": "c"}, "Q", None, "c"),
    ({"id": "k", "prompt": "Q"}, "Q", None, None),
    ({"idx": 1, "Skill": "Math", "Instruction": "Q"}, "Q", None, "Math"),
    ({"instruction": "Q", "instances": [{"input": "I", "output": "R"}], "motivation_app": "App"}, "Q\n\nI", "R", "App"),
    ({"instruction": "Q", "instances": [{"input": "", "output": "R"}]}, "Q", "R", None),
    ({"instruction": "Q", "input": "I", "output": "R", "source": "json"}, "Q\n\nI", "R", "json"),
    ({"dataset": "oasst", "instruction": "Q"}, "Q", None, "oasst"),
    ({"turns": ["Q", "next"], "reference": ["R", "S"], "category": "math"}, "Q", "R", "math"),
    ({"conversations": ["Q"]}, "Q", None, None),
    ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "R"}]}, "Q", "R", None),
    ({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]}, "system: S\n\nuser: Q", None, None),
    ({"system_prompt": "S", "input": "Q", "reference_answer": "R", "capability": "c"}, "system: S\n\nuser: Q", "R", "c"),
    ({"question": "Q", "answer": "R"}, "Q", "R", None),
    ({"Question": "Q", "Best Answer": "R", "Category": "c"}, "Q", "R", "c"),
    ({"prompt": "Q", "reference": "R"}, "Q", "R", None),
]  # fmt: skip


@pytest.mark.parametrize(("row", "text", "reference", "category"), SHAPES)
def test_shapes(tmp_path, row, text, reference, category):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps(row))
    (prompt,) = read_prompts(path, "set")
    assert (prompt.text, prompt.reference, prompt.category) == (text, reference, category)
    assert prompt.prompt_id == messages_id(prompt.messages)


def test_limit_map_and_repeats(tmp_path, caplog):
    path = tmp_path / "prompts.jsonl"
    path.write_text(
        "\n".join(json.dumps({"q": f"{index % 3}?", "gold": "g", "kind": "k"}) for index in range(6))
    )
    fields = {"prompt": "q", "reference": "gold", "category": "kind"}
    prompts = read_prompts(path, "mine", map=fields)
    assert [prompt.text for prompt in prompts] == ["0?", "1?", "2?"]
    assert (prompts[0].reference, prompts[0].category) == ("g", "k")
    assert "3 prompts occur more than once" in caplog.text
    assert len(read_prompts(path, "mine", map=fields, limit=2)) == 2
    with pytest.raises(PoolError, match="Did you mean 'reference'"):
        read_prompts(path, "mine", map={"refernce": "gold"})
    with pytest.raises(PoolError, match="line 1: map names the field 'qq'"):
        read_prompts(path, "mine", map={"prompt": "qq"})


def test_the_input_of_an_instruction_is_kept_apart_too(tmp_path):
    from handpicked.data import read, read_prompts

    row = {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (prompt,) = read_prompts(tmp_path / "rows.jsonl", "mine")
    (example,) = read(tmp_path / "rows.jsonl").examples()
    for turn in (prompt.messages[0], example.messages[0]):
        assert (turn.content, turn.instruction, turn.input) == (
            "Translate.\n\nGuten Tag",
            "Translate.",
            "Guten Tag",
        )
    turns = [
        {"role": "user", "content": turn.content, "input": turn.input},
        {"role": "assistant", "content": "x"},
    ]
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    (again,) = read(tmp_path / "chat.jsonl").examples()
    assert again.messages[0].input == "Guten Tag", "as refine writes a row"


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        ([{"question_id": "a", "turns": [{"content": "ask"}]}], ["ask"]),  # Arena-Hard 0.1
        (
            [{"session_id": "s", "conversation_input": [{"role": "user", "content": "ask"}]}],
            ["ask"],
        ),  # WildBench
        ({"version": 1, "questions": [{"prompt": "ask"}]}, ["ask"]),
        ({"1": {"prompt": "ask"}, "2": {"prompt": "and"}}, ["ask", "and"]),
        (["ask", "and"], ["ask", "and"]),
    ],
)
def test_wrapped_and_bare_prompts_and_turns_without_a_role(tmp_path, content, prompts):
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert [prompt.text for prompt in read_prompts(tmp_path / "p.json", "mine")] == prompts


def test_a_prompt_that_is_missing_is_said_to_be_and_a_number_is_a_reference(tmp_path):
    (tmp_path / "p.json").write_text('[{"prompt": "2+2?", "answer": 4}, {"prompt": NaN}]')
    (one,) = read_prompts(tmp_path / "p.json", "mine", limit=1)
    assert one.reference == "4"
    with pytest.raises(PoolError, match="row 2 of the array: there is no prompt: field 'prompt' is null"):
        read_prompts(tmp_path / "p.json", "mine")
