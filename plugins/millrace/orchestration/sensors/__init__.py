"""Airflow sensors: tasks that wait for a condition or a time."""
