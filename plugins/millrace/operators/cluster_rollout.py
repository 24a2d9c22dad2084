"""Gives a candidate its share of a cluster's requests, step by step."""

import time
from typing import Any

from airflow.sdk import Context

from millrace import orders
from millrace.cluster_server import open_cluster, version_uri, write_orders
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import EvaluateResult
from millrace.operators.rollout import LOOK_SECONDS, SLACK_SECONDS, RolloutOperator
from millrace.run import Run
from millrace.serving.client import read_replay
from millrace.serving.cluster_rollout import ClusterRollout
from millrace.serving.manifests import VERSION_LABEL, service_name


class ClusterRolloutOperator(RolloutOperator):
    """RolloutOperator's promises, kept by Deployments: at any failure the old version's pods alone answer."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Smoke, then 1 of n replicas, half of them, all. Skips where a model trained on newer data is live."""
        candidate = orders.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        self.refuse_older(run)
        self._await_turn(run, candidate)
        self.refuse_older(run)
        write_orders(run, candidate, self.settings)
        with self.rejecting(run, candidate, lambda: None):
            address = self.cluster_rollout(run, candidate).advance()
        return {"address": address, "version": candidate.version}

    def _await_turn(self, run: Run, candidate: ModelVersion) -> None:
        """One rollout at a time: another run's is watched to its end, or taken over once it is overdue."""
        cluster, workload = open_cluster(self.settings), run.workload.name
        deadline = time.monotonic() + 2 * run.workload.serving.watch_seconds + SLACK_SECONDS
        while time.monotonic() < deadline:
            service = cluster.get("Service", service_name(workload))
            answering = service["spec"]["selector"].get(VERSION_LABEL, "several") if service else None
            live = self.ledger.live_model(workload)
            if answering in (None, live.model.version if live else None, candidate.version):
                return
            self.log.info("another run's rollout is under way: %s answers", answering)
            time.sleep(LOOK_SECONDS)

    def cluster_rollout(self, run: Run, candidate: ModelVersion) -> ClusterRollout:
        """The rollout of this run's candidate over the live version."""
        replay_uri = orders.result_of(run, self.ledger, "evaluate", EvaluateResult).replay_uri
        live = self.ledger.live_model(run.workload.name)
        return ClusterRollout(
            open_cluster(self.settings),
            run.workload.serving,
            candidate,
            live.model if live else None,
            read_replay(replay_uri),
            folder=lambda version: version_uri(run.store, version),
            say=lambda line: self.log.info("%s", line),
        )
