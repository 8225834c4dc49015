"""The sections of results.json: frozen dataclasses, whose fields are the keys of the file, in its order."""
