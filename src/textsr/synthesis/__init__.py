"""Rendering lines of text and degrading them into LR-HR pairs."""
