"""Pairwise judging in both orders. A judge is a folder: judge.yaml and prompt.txt."""
