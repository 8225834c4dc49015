"""What scores by language models share."""
