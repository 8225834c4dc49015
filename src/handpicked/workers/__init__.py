"""The same work on one core, several GPUs or a cluster."""
