"""Finds and loads models by bundled name, folder or hub name."""
