"""Rebuilding a registered version: in a copy of its commit, from what is kept with it."""
