"""Generates a model's answers to evaluation prompts."""

from handpicked.generate.answers import generate

__all__ = ["generate"]
