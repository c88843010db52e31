"""Documents, which have pages: TIFFs of several, and PDFs, worked page by page."""
