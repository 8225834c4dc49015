"""What scorers by language models share."""
