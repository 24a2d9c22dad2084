"""Rules that decide whether a step of a run may start now, one module for each; see steps.py for which holds where."""
