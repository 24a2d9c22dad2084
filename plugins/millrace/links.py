"""Buttons of a task in Airflow's UI that open Millrace's pages about it."""

from urllib.parse import urlencode, urlsplit

import attrs
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey

from millrace.settings import load_settings


@attrs.define
class RunLink(BaseOperatorLink):
    """The run: steps, power, predictions and what was measured."""

    name = "Energy and cost"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Its address, without a host: whatever name the UI was opened by."""
        return _page("run", dag_id=ti_key.dag_id, run_id=ti_key.run_id)


@attrs.define
class ModelsLink(BaseOperatorLink):
    """The workload's versions: what each was made from, its cost, and which is live."""

    name = "Models"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Its address."""
        return _page("models", dag_id=ti_key.dag_id)


@attrs.define
class DataDocsLink(BaseOperatorLink):
    """What Great Expectations said of the dataset version that this run published."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Its address. Raises LookupError where the run has published nothing."""
        for row in load_settings().ledger().run_summary(dag_id=ti_key.dag_id, run_id=ti_key.run_id, limit=1):
            if row["dataset_version"] is not None:
                return _page("docs", dag_id=ti_key.dag_id, version=row["dataset_version"])
        raise LookupError(f"run {ti_key.run_id} has published no dataset version")


def _page(name: str, **query: object) -> str:
    below = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return f"{below}/millrace/{name}?{urlencode(query)}"
