"""The study of self-supervision: which pretext helps super-resolution, by how much, and where."""
