"""``python -m handpicked`` is the command ``handpicked``."""

from handpicked.cli import main

main()
