"""MLflow: runs, their lineage, and the local store."""
