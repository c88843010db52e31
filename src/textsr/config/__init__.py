"""`params.yaml` as typed, validated models, overlays of it, and the layout of a project."""
