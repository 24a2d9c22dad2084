"""The only file that Airflow loads from here by itself.

Importing the pipeline and its operators once in the scheduler spares each task, forked from it, the import: with pods
that is two seconds, twice a task.
"""

from airflow.plugins_manager import AirflowPlugin

import millrace.listeners
import millrace.pipeline

millrace.pipeline.load_operators()


class MillracePlugin(AirflowPlugin):
    """Millrace in Airflow."""

    name = "millrace"
    listeners = [millrace.listeners]  # noqa: RUF012 - Airflow wants a list
    build_dag = staticmethod(millrace.pipeline.build_dag)
