"""SFT files in, Examples out, and a subset back as it came."""

from handpicked.data.prompts import read_prompts
from handpicked.data.reading import read

__all__ = ["read", "read_prompts"]
