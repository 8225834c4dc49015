"""One experiment: its file, its arms, its stages, its report."""
