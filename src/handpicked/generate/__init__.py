"""Answers of a model to evaluation prompts."""

from handpicked.generate.answers import generate

__all__ = ["generate"]
