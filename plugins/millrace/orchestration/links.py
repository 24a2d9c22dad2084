"""Operator links: buttons of a task in Airflow's UI that open Millrace's pages."""

from urllib.parse import urlencode, urlsplit

import attrs
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey


@attrs.define
class RunLink(BaseOperatorLink):
    """Link to the run's page: steps, power, predictions and measurements."""

    name = "Energy and cost"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's URL without a host, so that it works by any host name of the UI."""
        return _page("run", dag_id=ti_key.dag_id, run_id=ti_key.run_id)


@attrs.define
class ModelsLink(BaseOperatorLink):
    """Link to the page of the workload's model versions: origin and cost of each, and which one is live."""

    name = "Models"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's URL without a host."""
        return _page("models", dag_id=ti_key.dag_id)


@attrs.define
class ValidationLink(BaseOperatorLink):
    """Link to what validation found in this run's data, published or not."""

    name = "Validation"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's URL without a host."""
        return _page("validation", dag_id=ti_key.dag_id, run_id=ti_key.run_id)


def _page(name: str, **query: object) -> str:
    below = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return f"{below}/millrace/{name}?{urlencode(query)}"
