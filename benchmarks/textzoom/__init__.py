"""Networks for the super-resolution of scene text, built anew from their papers, as peers.

They and our own network are trained on the same pairs for the same CPU time:
`python -m benchmarks.textzoom.train`. What differs from the papers is said where it differs.
"""
