"""Write a new workload's file: from a template, or from the first rows of a file of arrivals."""

from millrace.cli.scaffold.writing import write_workload

__all__ = ["write_workload"]
