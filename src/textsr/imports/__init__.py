"""Engines of other people's formats, a module each; `datasets.sets` writes what they yield."""
