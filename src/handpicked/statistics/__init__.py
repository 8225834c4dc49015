"""Statistics: pure functions, records in, Estimates and tables out."""
