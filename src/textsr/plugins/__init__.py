"""What other programs load: each module is a plugin of one of them."""
