"""The campaign: attacks on textsr that run for hours, of which the tests run a sample."""
