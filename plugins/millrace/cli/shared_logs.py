"""Airflow's `[logging] logging_config_class` where all components share one folder of logs, and none serves it.

Airflow asks the machine of a task that runs for its log even where it has read the file already; with nobody there to
answer, each look at the log would show, and log, a refused connection.
"""

import copy
from typing import Any

from airflow.config_templates import airflow_local_settings as airflow_defaults
from airflow.utils.log.file_task_handler import FileTaskHandler


class SharedFolderTaskHandler(FileTaskHandler):
    """Reads the logs of tasks and triggers from the folder alone, whether they have ended or not."""

    def _read_from_logs_server(self, *_: Any, **__: Any) -> tuple[list[str], list[Any]]:  # noqa: ANN401 - Airflow's own
        return [], []


LOGGING_CONFIG: dict[str, Any] = copy.deepcopy(airflow_defaults.DEFAULT_LOGGING_CONFIG)
LOGGING_CONFIG["handlers"]["task"]["class"] = f"{__name__}.{SharedFolderTaskHandler.__name__}"

# Airflow looks for a store of logs of its own settings beside the configuration
REMOTE_TASK_LOG = airflow_defaults.REMOTE_TASK_LOG
DEFAULT_REMOTE_CONN_ID = airflow_defaults.DEFAULT_REMOTE_CONN_ID
