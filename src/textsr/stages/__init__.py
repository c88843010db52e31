"""The stages of `dvc.yaml`: where the rooms' functions meet the project's layout and MLflow.

A module is named like its verb, and is a code dependency of its stage. Its function takes the whole
of params.yaml and, where it takes long, what starts a progress bar; it reads and writes in the
working directory, the project's root. What it calls knows neither the layout nor, `register`
aside, MLflow.
"""
