"""What a change of the recipe does for readers, at equal CPU time on equal lines.

Objectives, encoders and ways to train that the package does not have live here, so that what was
tried can be tried again, on other data, too: `make explore`. What pays moves into the package.
"""
