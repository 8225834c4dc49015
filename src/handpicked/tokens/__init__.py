"""Counts tokens, fast and exactly."""
