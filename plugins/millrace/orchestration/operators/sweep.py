"""Removes files from the store by the site's retention policy."""

from typing import Any

from airflow.sdk import BaseOperator, Context

from millrace.ledger.records import Actor, RunKey
from millrace.orchestration.connections import reach_stores
from millrace.orchestration.servers.answering import held
from millrace.runs.retention import Retention
from millrace.settings import load_settings


class SweepOperator(BaseOperator):
    """Records what each workload stores, then removes what retention does not keep and records the counts.

    The policy is the site's settings MILLRACE_RETENTION_*. ``apply=False`` removes nothing.
    """

    def __init__(self, *, apply: bool = True, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(**kwargs)
        self.apply = apply

    def execute(self, context: Context) -> str:
        """Sweep once; the XCom is the number of files and bytes removed, or found with ``apply=False``."""
        settings = load_settings()
        reach_stores(settings)
        dag_run = context["dag_run"]
        by = Actor.of(RunKey(dag_run.dag_id, dag_run.run_id, 0))
        retention = Retention.of(settings, held, by)
        retention.measure()
        found = retention.sweep(apply=self.apply)
        for each in found:
            self.log.info("%s %s: %s files, %s bytes", each.kind, each.uri, each.items, f"{each.size_bytes:,}")
        return f"{sum(each.items for each in found)} files, {sum(each.size_bytes for each in found):,} bytes"
