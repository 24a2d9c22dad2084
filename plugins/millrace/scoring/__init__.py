"""Loading of a sealed model version and scoring of rows: the same code for evaluation and for serving."""
