"""The shards' schema and how they are read."""
