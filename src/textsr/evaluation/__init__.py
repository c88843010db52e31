"""Fidelity and legibility of upscaled text, with confidence intervals."""
