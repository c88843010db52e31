"""Training super-resolution networks on LR-HR pairs."""
