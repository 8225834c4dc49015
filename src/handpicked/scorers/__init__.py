"""Scorers: one file each, with paper, equation, unit and direction."""
