"""Makes results.json from the files of the stages."""
