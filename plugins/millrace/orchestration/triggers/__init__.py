"""Airflow triggers: the waits of deferred tasks, run by the triggerer."""
