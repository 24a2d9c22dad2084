"""``python -m millrace check``: find mistakes in workloads' files in about a second, without importing Airflow."""
