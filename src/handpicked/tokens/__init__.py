"""Counting tokens, fast and exactly."""
