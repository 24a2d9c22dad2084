"""``python -m millrace check``: what is wrong with workloads' files, told in a second and without Airflow."""
