"""Writes a subset for another trainer: the rows as it reads them, and its own config with the settings that
handpicked trains with. A trainer is a class in one file here.
"""
