"""Pairs of pictures, bicubic's and a model's, judged by people in a browser."""
