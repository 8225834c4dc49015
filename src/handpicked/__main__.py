"""Runs the command ``handpicked`` as ``python -m handpicked``."""

from handpicked.cli import main

main()
