"""Answers of a model to evaluation prompts."""
