"""Millrace's plugin: Airflow loads it by its entry point (an installed wheel) or from this folder (a checkout).

Every Airflow process loads it, including the task processes of other DAGs, so it imports little. Where Airflow loads
plugins at start (``[core] lazy_load_plugins = False``) it imports the pipeline and its operators too, so that tasks
forked from the scheduler need not: with pods the import takes two seconds, twice in each task.
"""

from airflow.plugins_manager import AirflowPlugin
from airflow.settings import LAZY_LOAD_PLUGINS

from millrace.orchestration.cancelled_backfills import CancelledBackfills
from millrace.orchestration.deadlines import PredictedFinish
from millrace.orchestration.plugin_listener import PluginListener
from millrace.pages.entry import EXTERNAL_VIEWS, PREFIX, pages

if not LAZY_LOAD_PLUGINS:
    import millrace.orchestration.audit_listeners
    import millrace.orchestration.listeners
    import millrace.pipeline

    millrace.pipeline.load_operators()


class MillracePlugin(AirflowPlugin):
    """The parts of Millrace that Airflow loads: listener, deadline reference, pages, middleware and views."""

    name = "millrace"
    listeners = [PluginListener()]  # noqa: RUF012 - Airflow wants a list
    deadline_references = [PredictedFinish]  # noqa: RUF012
    fastapi_apps = [{"app": pages, "url_prefix": PREFIX, "name": "Millrace"}]  # noqa: RUF012
    fastapi_root_middlewares = [  # noqa: RUF012
        {"middleware": CancelledBackfills, "name": "A backfill that is cancelled ends with its runs"}
    ]
    external_views = EXTERNAL_VIEWS
