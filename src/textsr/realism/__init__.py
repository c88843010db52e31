"""How like real images the synthetic ones are."""
