"""Two files of answers become pairs by prompt."""

from __future__ import annotations

import gzip
import json
import random

import pytest

from handpicked.errors import PoolError
from handpicked.judges.answers import pair_up, read_answers
from handpicked.records import messages_id


def put(path, rows):
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("asked", "says"), [("prompt", "answer"), ("instruction", "output"), ("question", "response")]
)
def test_plain_files_of_every_kind(tmp_path, suffix, asked, says):
    rows = [{asked: f"q{i}", says: f"a{i}"} for i in range(3)]
    found = read_answers(put(tmp_path / f"mine{suffix}", rows))
    assert [(a.prompt, a.text) for a in found.answers] == [(f"q{i}", f"a{i}") for i in range(3)]
    assert found.name == "mine"


def test_alpaca_eval_mt_bench_and_messages(tmp_path):
    eval_file = put(
        tmp_path / "e.json", [{"instruction": "q", "output": "a", "generator": "m", "dataset": "koala"}]
    )
    bench_file = put(
        tmp_path / "b.jsonl",
        [{"question_id": 81, "model_id": "m", "choices": [{"index": 0, "turns": ["one", "two"]}]}],
    )
    chat_file = put(
        tmp_path / "c.json",
        [{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}],
    )
    found = read_answers(eval_file)
    assert (found.format, found.name, found.answers[0].test_set) == ("AlpacaEval", "m", "koala")
    bench = read_answers(bench_file, {"81": "Write."})
    assert (bench.format, bench.answers[0].prompt, bench.answers[0].text) == (
        "MT-Bench",
        "Write.",
        "one\n\ntwo",
    )
    assert read_answers(chat_file).answers[0].prompt_id == found.answers[0].prompt_id


def test_pairs_are_made_by_prompt_whatever_the_order_and_the_rest_is_listed(tmp_path):
    left = [{"prompt": f"q{i}", "answer": f"left {i}"} for i in range(8)]
    right = [{"prompt": f"q{i}", "answer": f"right {i}"} for i in range(2, 10)]
    random.Random(0).shuffle(right)
    both = pair_up(
        read_answers(put(tmp_path / "l.json", [*left, left[3]])),
        read_answers(put(tmp_path / "r.json", right)),
    )
    assert [(p.answer_a, p.answer_b) for p in both.pairs] == [
        (f"left {i}", f"right {i}") for i in range(2, 8)
    ]
    assert set(both.only_a) == {"q0", "q1"}
    assert set(both.only_b) == {"q8", "q9"}
    assert both.repeated == ("q3",)


def test_an_empty_answer_is_an_answer_and_a_missing_one_is_counted(tmp_path):
    rows = [{"prompt": "q", "answer": ""}, {"prompt": "r", "answer": None}]
    found = read_answers(put(tmp_path / "x.json", rows))
    assert [a.text for a in found.answers] == [""]
    assert found.without == 1


def test_one_file_against_itself_keeps_its_sides_apart(tmp_path):
    file = read_answers(put(tmp_path / "x.json", [{"prompt": "q", "answer": "a"}]))
    pair = pair_up(file, file).pairs[0]
    assert pair.a != pair.b


def test_mistakes_are_named(tmp_path):
    with pytest.raises(PoolError, match="Fields seen: foo"):
        read_answers(put(tmp_path / "x.json", [{"foo": 1}]))
    rows = [{"instruction": "q", "output": "a", "generator": g} for g in ("m", "n")]
    with pytest.raises(PoolError, match="2 models"):
        read_answers(put(tmp_path / "y.json", rows))
    one = read_answers(put(tmp_path / "a.json", [{"prompt": "q", "answer": "a"}]))
    other = read_answers(put(tmp_path / "b.json", [{"prompt": "z", "answer": "a"}]))
    with pytest.raises(PoolError, match="no prompt in common"):
        pair_up(one, other)


@pytest.mark.data
def test_two_models_of_alpaca_eval_pair_on_every_prompt(real_data, tmp_path):
    import pyarrow.parquet as pq

    rows = pq.read_table(real_data / "judge_meta/alpaca_eval_model_outputs.parquet").to_pylist()
    files = [
        read_answers(put(tmp_path / f"{m}.json", [r for r in rows if r["model_dir"] == m]))
        for m in ("gpt4", "alpaca-7b")
    ]
    both = pair_up(*files)
    prompts = len({r["instruction"] for r in rows if r["model_dir"] == "gpt4"})
    assert len(both.pairs) == prompts
    assert len(both.repeated) == 2 * (805 - prompts)
    assert both.only_a == both.only_b == ()


def test_packed_files_tables_wrappers_and_line_separators(tmp_path):
    row = {"prompt": "q", "output": "one\u2028two"}
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(row, ensure_ascii=False).encode()))
    (tmp_path / "b.csv").write_text("prompt,output\nq,plain\n")
    (tmp_path / "c.json").write_text(json.dumps({"model": "m", "examples": [row], "data": []}))
    found = [read_answers(tmp_path / name) for name in ("a.jsonl.gz", "b.csv", "c.json")]
    assert [(file.name, file.answers[0].text) for file in found] == [
        ("a", "one\u2028two"),
        ("b", "plain"),
        ("m", "one\u2028two"),
    ]


def test_turns_of_text_blocks_and_of_from_and_value_are_texts(tmp_path):
    blocks = [
        {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
    ]
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    found = [
        read_answers(put(tmp_path / f"{i}.json", [row])).answers[0]
        for i, row in enumerate(
            [{"messages": blocks}, {"conversations": turns}, {"prompt": "q", "output": ["a"]}]
        )
    ]
    assert len({(answer.prompt_id, answer.text) for answer in found}) == 1


def test_a_null_answer_is_none_and_two_inputs_are_two_prompts(tmp_path):
    null = [{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]}]
    rows = [{"instruction": "do", "input": str(i), "output": "a"} for i in (1, 2)]
    found = read_answers(put(tmp_path / "x.json", [*null, *rows]))
    assert (len(found.answers), found.without) == (2, 1)
    assert len({answer.prompt_id for answer in found.answers}) == 2


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "q", "output": ["a", "b"]}, "row 1: 'output' is a list of 2 texts"),
        (
            {"messages": [{"role": "user"}], "output": "x"},
            "row 1: turn 1 of 'messages' has content that is null",
        ),
        ({"messages": [5], "output": "x"}, "turn 1 of 'messages' is a number, not an object"),
        ({"question_id": 1, "choices": [{}]}, "row 1: 'choices' must be a list"),
        ({"question_id": 1, "choices": 5}, "row 1: 'choices' must be a list"),
    ],
)
def test_rows_that_cannot_be_read_are_named(tmp_path, row, says):
    with pytest.raises(PoolError, match=says):
        read_answers(put(tmp_path / "x.json", [row]))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"instruction": "2+3?", "output": 5}, "5"),
        ({"prompt": "2+3?", "output": [{"generated_text": "five"}]}, "five"),
        ({"question": "2+3?", "answer": 5, "output": "five"}, "five"),
        (
            {
                "messages": [{"role": "user", "content": "2+3?"}],
                "choices": [{"message": {"role": "assistant", "content": "five"}}],
            },
            "five",
        ),
        (
            {"messages": [{"speaker": "user", "text": "2+3?"}, {"speaker": " Assistant", "text": "five"}]},
            "five",
        ),
    ],
)
def test_answers_that_are_numbers_objects_and_stored_requests(tmp_path, row, text):
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps(row) + "\n")
    (answer,) = read_answers(file).answers
    assert (answer.prompt, answer.text) == ("2+3?", text)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]},
        {
            "prompt": "q",
            "generated_text": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        },
        {"prompt": "q", "output": "<think>\nhm\n</think>\n\na"},
        {"prompt": "q", "output": "hm\n</think>\n\na"},
        {
            "messages": [
                {"role": "user", "content": "q"},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}],
                },
            ]
        },
        {"messages": json.dumps([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])},
    ],
)
def test_turns_of_trl_and_of_pipelines_and_answers_after_a_thought(tmp_path, row):
    (answer,) = read_answers(put(tmp_path / "x.jsonl", [row])).answers
    assert (answer.prompt, answer.text) == ("q", "a")


def test_what_a_benchmark_calls_answer_is_the_reference_beside_what_a_model_said(tmp_path):
    rows = [
        {"question": "q", "answer": "gold", "response": "said"},
        {"question": "r", "answer": "gold", "response": None},
    ]
    found = read_answers(put(tmp_path / "x.json", rows))
    assert [(one.prompt, one.text, one.reference) for one in found.answers] == [("q", "said", "gold")]
    assert found.without == 1  # the good answer is not what the model said


def test_an_answer_that_failed_in_fastchat_is_none(tmp_path):
    rows = [
        {"question_id": number, "model_id": "m", "choices": [{"turns": turns}]}
        for number, turns in enumerate([["a", "b"], ["$ERROR$", "b"], ["a", None]])
    ]
    found = read_answers(put(tmp_path / "x.jsonl", rows))
    assert [one.text for one in found.answers] == ["a\n\nb"]
    assert found.without == 2


def test_prompts_that_differ_in_white_space_only_pair_unless_two_of_a_file_do(tmp_path):
    left = [{"prompt": text, "output": "a"} for text in ("one\n", " two  words", "x y", "x  y", "same")]
    right = [{"prompt": text, "output": "b"} for text in ("same", "one", "two words", "x\ny")]
    both = pair_up(
        *(read_answers(put(tmp_path / name, rows)) for name, rows in (("l.json", left), ("r.json", right)))
    )
    assert [pair.prompt for pair in both.pairs] == ["one\n", " two  words", "same"]
    assert both.by_words == 2
    assert (both.only_a, both.only_b) == (("x y", "x  y"), ("x\ny",))


def test_one_stored_request_and_pandas_split_are_rows(tmp_path):
    asked = {"messages": [{"role": "user", "content": "q"}]}
    said = {"choices": [{"message": {"role": "assistant", "content": "a"}}]}
    split = {"columns": ["prompt", "output"], "index": [0], "data": [["q", "a"]]}
    for row in ({"request": asked, "response": said}, split):
        (tmp_path / "x.json").write_text(json.dumps(row))
        (answer,) = read_answers(tmp_path / "x.json").answers
        assert (answer.prompt, answer.text) == ("q", "a")


def test_system_prompts_and_history_belong_to_the_prompt_as_in_pools(tmp_path):
    from handpicked import data

    row = {"instruction": "and then?", "input": "", "output": "said", "system": "Be kind."}
    rows = [row, {**row, "history": [["first?", "this"]]}, {**row, "history": str([["first?", "that"]])}]
    file = put(tmp_path / "x.json", rows)
    found = read_answers(file)
    assert len({answer.prompt_id for answer in found.answers}) == 3
    assert found.answers[0].prompt == "system: Be kind.\n\nuser: and then?"
    assert "first?" in found.answers[1].prompt and "this" in found.answers[1].prompt
    pool = [messages_id(example.messages[:-1]) for example in data.read(str(file)).examples()]
    assert [answer.prompt_id for answer in found.answers][:2] == pool[:2]


def test_a_file_that_lacks_the_system_prompt_pairs_all_the_same(tmp_path):
    with_it = [{"system": "Be kind.", "prompt": text, "output": "a"} for text in ("one", "two")]
    without = [{"prompt": text, "output": "b"} for text in ("two", "one")]
    both = pair_up(
        *(read_answers(put(tmp_path / n, r)) for n, r in (("l.json", with_it), ("r.json", without)))
    )
    assert [(pair.prompt, pair.answer_b) for pair in both.pairs] == [
        ("system: Be kind.\n\nuser: one", "b"),
        ("system: Be kind.\n\nuser: two", "b"),
    ]
    assert both.by_words == 2


def test_a_row_in_a_format_of_pools_keeps_its_reference_and_category(tmp_path):
    row = {"user_input": "ask", "response": "said", "reference": "good", "category": "maths"}
    (answer,) = read_answers(put(tmp_path / "x.json", [row])).answers
    assert (answer.prompt, answer.text, answer.reference, answer.category) == ("ask", "said", "good", "maths")
