"""Benchmarks and reference loss."""
