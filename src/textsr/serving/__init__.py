"""Upscaling over HTTP: `textsr serve`."""
