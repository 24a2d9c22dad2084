"""The step protocol as a program: a RunSpec in, a Report out, an exit code."""
