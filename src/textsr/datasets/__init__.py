"""The shards' schema and the readers of it."""
