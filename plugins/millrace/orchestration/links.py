"""Buttons of a task in Airflow's UI that open Millrace's pages about it."""

from urllib.parse import urlencode, urlsplit

import attrs
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey


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
    """What Great Expectations said of this run's data, published or not."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Its address; a run without any says why there."""
        return _page("docs", dag_id=ti_key.dag_id, run_id=ti_key.run_id)


def _page(name: str, **query: object) -> str:
    below = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return f"{below}/millrace/{name}?{urlencode(query)}"
