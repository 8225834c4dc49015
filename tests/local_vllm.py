"""A server that speaks vLLM's API over real transformers models: in a thread of the tests, or as the
command ``vllm serve`` (``python local_vllm.py serve MODEL --port N ...``).

Faults come from the environment of the command, or from ``Faults``: ``slow`` seconds until it answers, ``dies``
before it answers, ``dies_after`` so many requests; so many requests each it ``refuses`` with a 500, is ``busy``
for (429), answers with ``garbage``, or ``cuts`` the connection of.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from handpicked.config import ModelSettings
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.template import load_template
from handpicked.records import Message


@dataclass
class Faults:
    """What goes wrong."""

    slow: float = 0.0
    dies: bool = False
    dies_after: int = -1
    refuses: int = 0
    busy: int = 0
    garbage: int = 0
    cuts: int = 0

    def next(self) -> tuple[int, Any] | None:
        """Status and body of the next request that goes wrong; status 0 is none at all."""
        answers: dict[str, tuple[int, Any]] = {
            "refuses": (500, _error("the engine stumbled")),
            "busy": (429, _error("later")),
            "garbage": (200, b"<html>a gateway</html>"),
            "cuts": (0, b""),
        }
        for name, answer in answers.items():
            if left := getattr(self, name):
                setattr(self, name, left - 1)
                return answer
        return None


@dataclass
class LocalVllm:
    """``model`` (a folder) and adapters by name, and what was asked of them. With ``loads`` it takes further
    adapters while it runs; ``says`` is what it answers a chat with, in place of what the model says.
    """

    model: str
    adapters: dict[str, str] = field(default_factory=dict)
    loads: bool = False
    faults: Faults = field(default_factory=Faults)
    says: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    def cards(self) -> list[dict[str, Any]]:
        """As /v1/models lists them: an adapter has no context of its own."""
        base = {"id": self.model, "root": self.model, "parent": None, "max_model_len": 512}
        adapters = [
            {"id": name, "root": folder, "parent": self.model, "max_model_len": None}
            for name, folder in self.adapters.items()
        ]
        return [base, *adapters]

    def _fault(self, body: dict[str, Any]) -> tuple[int, Any] | None:
        """What goes wrong with a request, which is noted."""
        self.asked.append(body)
        if self.faults.dies_after == 0:
            sys.stderr.write("RuntimeError: the engine core died\n")
            sys.stderr.flush()
            os._exit(1)
        self.faults.dies_after -= 1
        if (fault := self.faults.next()) is not None:
            return fault
        if body["model"] not in (self.model, *self.adapters):
            return 404, _error(f"The model `{body['model']}` does not exist.")
        return None

    def chat(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and body of a chat completion: one token, with the probabilities of its rivals, or what the
        server ``says``.
        """
        import torch

        with self._lock:
            if (fault := self._fault(body)) is not None:
                return fault
            settings = ModelSettings(name=self.model, dtype="float32")
            tokenizer = load_tokenizer(settings)
            text = load_template("auto", tokenizer).prompt([Message(**one) for one in body["messages"]])
            ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
            with torch.inference_mode():
                top = self._model(self.model)(input_ids=ids).logits[0, -1].log_softmax(-1).topk(20)
            rivals = [
                {"token": str(tokenizer.decode([token])), "logprob": logprob}
                for token, logprob in zip(top.indices.tolist(), top.values.tolist(), strict=True)
            ]
        message = {"role": "assistant", "content": self.says or rivals[0]["token"]}
        first = {**rivals[0], "top_logprobs": rivals[: body.get("top_logprobs")]}
        return 200, {
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "stop",
                    "logprobs": {"content": [first]} if body.get("logprobs") else None,
                }
            ],
            "usage": {"prompt_tokens": ids.shape[1], "completion_tokens": 1},
        }

    def complete(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and body of a completion."""
        with self._lock:
            if (fault := self._fault(body)) is not None:
                return fault
            if len(body["prompt"]) + body["max_tokens"] > 512:
                return 400, _error("This model's maximum context length is 512 tokens.")
            return 200, {"object": "text_completion", "choices": [self._choice(body)]}

    def _choice(self, body: dict[str, Any]) -> dict[str, Any]:
        import torch

        model, prompt = self._model(body["model"]), torch.tensor([body["prompt"]])
        ends = body.get("stop_token_ids") or [2]
        hot = body["temperature"] > 0
        torch.manual_seed(body.get("seed") or 0)
        with torch.inference_mode():
            new = model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=body["max_tokens"],
                eos_token_id=ends,
                pad_token_id=ends[0],
                do_sample=hot,
                **({"temperature": body["temperature"], "top_p": body["top_p"]} if hot else {}),
            )[0, prompt.shape[1] :].tolist()
            told = None
            if body.get("prompt_logprobs") is not None:
                every = model(input_ids=prompt).logits[0].log_softmax(-1)
                told = [None] + [
                    {str(token): {"logprob": float(every[at, token]), "rank": 1, "decoded_token": "?"}}
                    for at, token in enumerate(body["prompt"][1:])
                ]
        return {
            "index": 0,
            "text": "",
            "finish_reason": "stop" if new[-1] in ends else "length",
            "token_ids": new if body.get("return_token_ids") else None,
            "prompt_logprobs": told,
        }

    def _model(self, name: str) -> Any:
        if name not in self._loaded:
            adapter = Path(self.adapters[name]) if name in self.adapters else None
            self._loaded[name] = load_model(ModelSettings(name=self.model, dtype="float32"), adapter=adapter)
        return self._loaded[name]

    def load(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of /v1/load_lora_adapter, which is not there unless vLLM is told to have it."""
        if not self.loads:
            return 404, {"detail": "Not Found"}
        self.adapters[body["lora_name"]] = body["lora_path"]
        return 200, {}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "BadRequestError", "param": None}}


def handler_of(served: LocalVllm) -> type[BaseHTTPRequestHandler]:
    """The HTTP side."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {
                "/health": {},
                "/version": {"version": "0.0.local"},
                "/v1/models": {"object": "list", "data": served.cards()},
            }
            self._say(200 if self.path in found else 404, found.get(self.path, {}))

        def do_POST(self) -> None:
            sys.stdout.write(f"POST {self.path}\n")
            sys.stdout.flush()
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            calls = {
                "/v1/completions": served.complete,
                "/v1/chat/completions": served.chat,
                "/v1/load_lora_adapter": served.load,
            }
            self._say(*calls[self.path](body))

        def _say(self, status: int, answer: dict[str, Any] | bytes) -> None:
            if not status:
                self.connection.close()
                return
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def running(served: LocalVllm) -> Iterator[LocalVllm]:
    """It answers at ``served.url`` for as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(served))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def write_command(folder: Path, **faults: object) -> Path:
    """The command ``vllm`` in ``folder``, which starts this file with those faults. Each start is a line of
    ``folder/starts``: the process id and the command line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "vllm"
    path = os.pathsep.join(place for place in sys.path if place)
    command.write_text(
        f"#!/bin/sh\nexport PYTHONPATH='{path}' LOCAL_VLLM='{json.dumps(faults)}'\n"
        f"echo $$ \"$@\" >> '{folder / 'starts'}'\n"
        f"exec '{sys.executable}' '{Path(__file__).resolve()}' \"$@\"\n"
    )
    command.chmod(0o755)
    return command


def gone(process: int) -> bool:
    """Whether a process has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{process}/stat")
    return state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z"


def settled(count: Callable[[], int]) -> None:
    """Wait for requests that were on their way when the work failed: until none is counted for half a second."""
    before = -1
    while (now := count()) != before:
        before = now
        time.sleep(0.5)


def main() -> None:
    """``serve MODEL``, with those of vLLM's options that handpicked gives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--lora-modules", nargs="*", default=[])
    parser.add_argument("--enable-lora", action="store_true")
    for name in (
        "--max-lora-rank",
        "--dtype",
        "--load-format",
        "--generation-config",
        "--tensor-parallel-size",
        "--max-model-len",
    ):
        parser.add_argument(name)
    given = parser.parse_args()
    told = json.loads(os.environ.get("LOCAL_VLLM", "{}"))
    says = told.pop("says", None)
    faults = Faults(**told)
    if faults.dies:
        sys.exit("WARNING limits such as OSError: 24\nValueError: No room for the KV cache\nINFO bye")
    if given.lora_modules and not given.enable_lora:
        sys.exit("error: --lora-modules needs --enable-lora")
    time.sleep(faults.slow)
    adapters = dict(one.split("=", 1) for one in given.lora_modules)
    served = LocalVllm(given.model, adapters, faults=faults, says=says)
    ThreadingHTTPServer((given.host, given.port), handler_of(served)).serve_forever()


if __name__ == "__main__":
    main()
