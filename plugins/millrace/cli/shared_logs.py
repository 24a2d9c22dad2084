"""Airflow's `[logging] logging_config_class` if all components share one folder of logs and no log server runs.

Airflow requests the log of a running task from its machine even after reading the file. Without a log server each view
of the log would show, and log, a refused connection.
"""

import copy
from typing import Any

from airflow.config_templates import airflow_local_settings as airflow_defaults
from airflow.utils.log.file_task_handler import FileTaskHandler


class SharedFolderTaskHandler(FileTaskHandler):
    """Handler that reads the logs of running and ended tasks and triggers from the folder only."""

    def _read_from_logs_server(self, *_: Any, **__: Any) -> tuple[list[str], list[Any]]:  # noqa: ANN401 - Airflow's own
        return [], []


LOGGING_CONFIG: dict[str, Any] = copy.deepcopy(airflow_defaults.DEFAULT_LOGGING_CONFIG)
LOGGING_CONFIG["handlers"]["task"]["class"] = f"{__name__}.{SharedFolderTaskHandler.__name__}"

# Airflow reads these two names from the module of the logging configuration
REMOTE_TASK_LOG = airflow_defaults.REMOTE_TASK_LOG
DEFAULT_REMOTE_CONN_ID = airflow_defaults.DEFAULT_REMOTE_CONN_ID
