"""Encoders, super-resolution networks and baselines; one architecture a file."""
