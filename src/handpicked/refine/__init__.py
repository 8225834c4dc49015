"""Rewrites selected responses through an endpoint before training."""

from handpicked.refine.rewrite import estimated, load_prompt, rewrite

__all__ = ["estimated", "load_prompt", "rewrite"]
