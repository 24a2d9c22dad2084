"""Thin Airflow skins over the trades, one class a file."""
