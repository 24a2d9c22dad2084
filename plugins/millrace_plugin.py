"""The only file that Airflow loads from here by itself.

Importing the pipeline and its operators once in the scheduler spares each task, forked from it, the import: with pods
that is two seconds, twice a task.
"""

from airflow.plugins_manager import AirflowPlugin

import millrace.orchestration.audit_listeners
import millrace.orchestration.listeners
import millrace.pipeline
from millrace.orchestration.cancelled_backfills import CancelledBackfills
from millrace.orchestration.deadlines import PredictedFinish
from millrace.pages.entry import EXTERNAL_VIEWS, PREFIX, pages

millrace.pipeline.load_operators()


class MillracePlugin(AirflowPlugin):
    """Millrace in Airflow."""

    name = "millrace"
    listeners = [millrace.orchestration.listeners, millrace.orchestration.audit_listeners]  # noqa: RUF012 - Airflow wants a list
    deadline_references = [PredictedFinish]  # noqa: RUF012
    fastapi_apps = [{"app": pages, "url_prefix": PREFIX, "name": "Millrace"}]  # noqa: RUF012
    fastapi_root_middlewares = [  # noqa: RUF012
        {"middleware": CancelledBackfills, "name": "A backfill that is cancelled ends with its runs"}
    ]
    external_views = EXTERNAL_VIEWS
    build_dag = staticmethod(millrace.pipeline.build_dag)
