"""`make demo`: real documents and real weights, from two commands to a served model."""
