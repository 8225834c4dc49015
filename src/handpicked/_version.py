"""The version of handpicked, written only here."""

__version__ = "0.2.0"
