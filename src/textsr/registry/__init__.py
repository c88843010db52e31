"""Packaging models for MLflow, the promotion gate, and the aliases."""
