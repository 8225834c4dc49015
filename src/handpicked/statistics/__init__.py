"""Statistics: pure functions from records to Estimates and tables."""
