"""Scores of the text alone, one file each."""
