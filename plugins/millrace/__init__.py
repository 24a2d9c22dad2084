"""Machine learning on Airflow, from raw files to a served model, with its cost predicted and measured."""

__version__ = "0.1.0"
