"""Benchmarks and reference loss."""

from handpicked.bench.reference_loss import ReferenceLoss, reference_loss

__all__ = ["ReferenceLoss", "reference_loss"]
