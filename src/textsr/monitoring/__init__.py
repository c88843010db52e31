"""Watching whether production images are still like what the champion was trained on."""
