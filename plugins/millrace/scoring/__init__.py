"""Load a sealed model version and score rows with it: one copy for evaluation and for serving."""
