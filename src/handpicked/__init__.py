"""handpicked: pick the few demonstrations worth fine-tuning on, and prove it."""

from handpicked._version import __version__

__all__ = ["__version__"]
