"""`make demo`: train a model on real documents, from real weights, and serve it."""
