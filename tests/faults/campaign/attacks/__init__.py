"""The attacks, a module for what they are on."""
