"""Documents as people have them, drawn and degraded: to be looked at before and after."""
