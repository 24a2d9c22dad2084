"""The step protocol as a program: it reads a RunSpec, writes a Report and returns an exit code."""
