"""Judging at speed: throughput against the ideal, statistics of many verdicts, hits of the request cache.

    python -m benchmarks.judge [--quick]

The server is a process of its own that answers after a fixed 200 ms. Ideal: every slot busy all the time.
It also prints the share of the ideal by the time that the server really took for its answers, by its own
clock.
On a machine that is busy with other work the share of the ideal is a matter of luck: quote the processor time
of a judgement then.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import tempfile
import time
from pathlib import Path

from benchmarks.fixed_server import Waited, serve

DELAY, SLOTS = 0.2, 64


def throughput(url: str, folder: Path, judgements: int, waited: Waited) -> dict[str, float]:
    """Judge ``judgements`` / 2 pairs in both orders through SLOTS slots."""
    from handpicked.config import JudgeSettings
    from handpicked.judges import judge
    from handpicked.records import Pair

    def pairs(count: int, name: str) -> list[Pair]:
        return [Pair(f"{name}{i}", f"{name} {i}", "x", "y", "good " * 50, "bad " * 50) for i in range(count)]

    settings = JudgeSettings(name="scores", model="m", base_url=url, concurrency=SLOTS)
    judge(pairs(SLOTS, "warm"), settings, folder / "warm.jsonl", cache=folder / "c.sqlite")
    waited[0] = waited[1] = 0
    started, cpu = time.perf_counter(), time.process_time()
    verdicts = judge(pairs(judgements // 2, "p"), settings, folder / "v.jsonl", cache=folder / "c.sqlite")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert all(v.strict == "tie" for v in verdicts)
    ideal = -(-judgements // SLOTS) * DELAY
    answered = waited[0] / waited[1]
    return {
        "judgements": judgements,
        "seconds": seconds,
        "ideal seconds": ideal,
        "share of ideal": ideal / seconds,
        "server's own milliseconds an answer": 1000 * answered,
        "share of ideal by these": ideal * answered / DELAY / seconds,
        "CPU milliseconds a judgement": 1000 * cpu / judgements,
    }


def cache_hits(url: str, folder: Path, requests: int) -> dict[str, float]:
    """Replies a second when all of them are in the cache."""
    from handpicked.config import JudgeSettings
    from handpicked.endpoint import Reply, ReplyCache, Request, complete, encoded, payload, request_key
    from handpicked.records import Message

    settings = JudgeSettings(model="m", base_url=url)
    asked = [Request((Message("user", f"question {i} " + "word " * 100),), 8) for i in range(requests)]
    with ReplyCache(folder / "hits.sqlite") as cache:
        for request in asked:
            cache.put(
                request_key(url, encoded(payload(request, settings))),
                Reply("8 7", prompt_tokens=9, reply_tokens=3),
            )
    started = time.perf_counter()
    replies = complete(asked, settings, folder / "hits.sqlite")
    seconds = time.perf_counter() - started
    assert all(reply.cached for reply in replies)
    return {"hits": requests, "seconds": seconds, "hits a second": requests / seconds}


def statistics(judgements: int) -> dict[str, float]:
    """Everything that a report says of stored verdicts, with 10,000 resamples an interval."""
    import random

    from handpicked.judges.outcome import verdict
    from handpicked.judges.parse import preference
    from handpicked.records import Pair, Review
    from handpicked.statistics.bradley_terry import bradley_terry
    from handpicked.statistics.compare import compare
    from handpicked.statistics.health import health
    from handpicked.statistics.length_control import length_controlled
    from handpicked.statistics.power import power
    from handpicked.statistics.win_rate import adjusted_win_rate, by_group, counts, winning_score

    rng = random.Random(0)
    verdicts = []
    for i in range(judgements // 2):
        pair = Pair(
            f"p{i % 805}",
            "q",
            "mine",
            f"rival {i % 40}",
            "x" * rng.randint(1, 999),
            "y" * 500,
            f"set {i % 5}",
        )
        reviews = []
        for order in ("ab", "ba"):
            scores = (float(rng.randint(6, 9)), float(rng.randint(6, 9)))
            reviews.append(Review(order, preference(*scores), "raw", scores, seconds=1.0, cost=0.01))
        verdicts.append(verdict(pair, "judge", reviews))
    started = time.perf_counter()
    for rule in ("strict", "summed"):
        counts(verdicts, rule)
        adjusted_win_rate(verdicts, rule)
        winning_score(verdicts, rule)
    health(verdicts)
    length_controlled(verdicts)
    compare(verdicts)
    power(verdicts)
    for group in by_group(verdicts, "test_set").values():
        adjusted_win_rate(group)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    bradley_terry([v for v in verdicts if int(v.b.split()[1]) < 4])
    return {
        "judgements": judgements,
        "seconds": seconds,
        "Bradley-Terry of 5 arms, seconds": time.perf_counter() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A tenth of the size.")
    gc.set_threshold(100_000, 20, 20)  # as the command does
    scale = 10 if parser.parse_args().quick else 1
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    waited = multiprocessing.Array("d", 2, lock=False)
    server = multiprocessing.Process(target=serve, args=(ports, DELAY, waited), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get()}/v1"
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "machine": f"{platform.machine()}, {multiprocessing.cpu_count()} cores, Python {platform.python_version()}",
            "throughput": throughput(url, Path(folder), 2000 // scale, waited),
            "cache": cache_hits(url, Path(folder), 20_000 // scale),
            "statistics": statistics(64_530 // scale),
        }
    server.terminate()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
