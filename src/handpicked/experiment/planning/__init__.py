"""What an experiment, or one of its parts, will take: found before anything starts."""
