"""Benchmarks by lm-evaluation-harness, and held-out loss."""

from handpicked.bench.catalogue import AVERAGES, BENCHMARKS, Benchmark, tasks_of
from handpicked.bench.estimate import PlannedBenchmark, planned
from handpicked.bench.evaluate import BenchmarkFailed, BenchResult, BenchSample, Score, evaluate
from handpicked.bench.lm import ServedModel, open_endpoint, open_model
from handpicked.bench.loading import check_files
from handpicked.bench.local import LocalData, find
from handpicked.bench.reference_loss import ReferenceLoss, reference_loss

__all__ = [
    "AVERAGES",
    "BENCHMARKS",
    "BenchResult",
    "BenchSample",
    "Benchmark",
    "BenchmarkFailed",
    "LocalData",
    "PlannedBenchmark",
    "ReferenceLoss",
    "Score",
    "ServedModel",
    "check_files",
    "evaluate",
    "find",
    "open_endpoint",
    "open_model",
    "planned",
    "reference_loss",
    "tasks_of",
]
