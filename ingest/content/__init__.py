"""What is inside files: audio and sidecars, read from folders that are not trusted."""
