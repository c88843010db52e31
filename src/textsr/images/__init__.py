"""Image files: one reader with one limit and one list of formats, and one writer."""
