"""Airflow operators, one class a file: each is a thin wrapper around the packages that do the work."""
