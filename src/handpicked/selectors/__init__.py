"""Selectors: one file each. They rank and choose rows from score columns; they never read text."""
