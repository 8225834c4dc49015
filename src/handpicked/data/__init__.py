"""Reads SFT files into Examples, and writes subsets in their original form."""

from handpicked.data.prompts import read_prompts
from handpicked.data.reading import read

__all__ = ["read", "read_prompts"]
