"""Models by name, folder or bundle: where they are and how they are loaded."""
