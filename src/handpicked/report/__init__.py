"""The report: a pure function of stored results."""
