"""textsr: super-resolution of text images, judged by whether the text can be read."""

__version__ = "0.1.0"
