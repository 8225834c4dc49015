"""Benchmarks by lm-evaluation-harness, and held-out loss."""

from handpicked.bench.catalogue import AVERAGES, BENCHMARKS, Benchmark, tasks_of
from handpicked.bench.estimate import PlannedBenchmark, planned
from handpicked.bench.evaluate import BenchmarkFailed, BenchResult, BenchSample, Score, evaluate
from handpicked.bench.in_parts import InParts
from handpicked.bench.lm import ServedModel
from handpicked.bench.loading import check_files
from handpicked.bench.local import LocalData, find
from handpicked.bench.models import BenchModel, EndpointModel, LocalModel, VllmModel
from handpicked.bench.reference_loss import ReferenceLoss, reference_loss

__all__ = [
    "AVERAGES",
    "BENCHMARKS",
    "BenchModel",
    "BenchResult",
    "BenchSample",
    "Benchmark",
    "BenchmarkFailed",
    "EndpointModel",
    "InParts",
    "LocalData",
    "LocalModel",
    "PlannedBenchmark",
    "ReferenceLoss",
    "Score",
    "ServedModel",
    "VllmModel",
    "check_files",
    "evaluate",
    "find",
    "planned",
    "reference_loss",
    "tasks_of",
]
