"""What attacks feed: sound files of every format, and ways to damage them."""
