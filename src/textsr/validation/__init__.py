"""Great Expectations over the shards."""
