"""The files that rows are in: containers, encodings, and how their raw rows are read."""
