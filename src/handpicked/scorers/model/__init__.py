"""Scores by a model or an endpoint: one file each."""
