"""The command line: it parses options, calls the library and shows progress. ``commands`` lists all commands.

Exit codes: 0 done; 2 the user's mistake (one line a mistake on stderr, no traceback); 75 not done yet, run it
again (a batch is in progress); 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP; 1 a bug in handpicked.
"""

from handpicked.cli.boundary import main
from handpicked.cli.commands import app

__all__ = ["app", "main"]
