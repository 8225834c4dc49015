"""Scores that need the text alone: one file each."""
