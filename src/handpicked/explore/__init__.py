"""A local page to look at the rows of a pool, at what was selected of them and why, and at judged pairs."""

from handpicked.explore.opened import Opened, Wanted, open_wanted
from handpicked.explore.serve import serve, site_of

__all__ = ["Opened", "Wanted", "open_wanted", "serve", "site_of"]
