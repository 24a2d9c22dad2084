"""Model servers on this machine: one process for each workload, which follows the serving target in its folder."""

from dataclasses import dataclass

from millrace.contracts.errors import TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import ServingTarget
from millrace.orchestration.servers import model_server
from millrace.runs.run import Run
from millrace.serving.client import InferenceClient, RequestFailedError
from millrace.serving.process_traffic import ProcessTraffic
from millrace.serving.server_files import Progress, ServerFiles
from millrace.serving.traffic import Replacement
from millrace.settings import Settings

_FOLLOW_SECONDS = 90.0


@dataclass(frozen=True)
class ProcessServers:
    """See Servers."""

    settings: Settings

    def begin(self, run: Run, candidate: ModelVersion) -> None:
        """See Servers. Starts the workload's server unless it runs."""
        model_server.ensure_server(run, self.settings)

    def traffic(self, run: Run, replacement: Replacement) -> ProcessTraffic:
        """See Servers."""
        server_files = self.settings.server_files(run.workload.name)
        return ProcessTraffic(replacement, server_files, model_server.access(self.settings))

    def other_rollout(self, run: Run, candidate: ModelVersion) -> str | None:
        """See Servers."""
        other = self.canary(run.workload.name)
        return None if other == candidate.version else other

    def put_back(self, run: Run, candidate: ModelVersion, reason: str, progress: Progress) -> bool:
        """See Servers. A server that has died is started again, without waiting for it; without a live version it ends.

        Returns False: the candidate has no server of its own.
        """
        workload = run.workload.name
        server_files = self.settings.server_files(workload)
        target, live = server_files.read_target(), self.settings.ledger().live_model(workload)
        if target is not None and target.canary in (None, candidate):
            if live is not None:
                self._target_alone(server_files, target, live.model)
            elif target.stable == candidate:
                model_server.withdraw(server_files, self.settings)
        return False

    def serve_live(self, workload: str, instead_of: ModelVersion | None = None) -> None:
        """See Servers. Raises BadInputError for a workload that was never served."""
        server_files = self.settings.server_files(workload)
        target, live = server_files.read_target(), self.settings.ledger().live_model(workload)
        if live is None:
            model_server.withdraw(server_files, self.settings)
            return
        if target is None:  # the server was withdrawn when no version was live
            policy = model_server.server_of(server_files).workload.serving
            target = server_files.write_target(policy, live.model)
        target = self._target_alone(server_files, target, live.model)
        status = server_files.wait_for(
            lambda status: status.generation >= target.generation and status.state != "loading",
            f"version {live.model.version} to be served",
            _FOLLOW_SECONDS,
        )
        if status.state in {"reverted", "failed"}:
            raise TransientError(
                f"the server does not serve {live.model.version}: {status.reason or status.state}",
                where=server_files.status_uri,
                rule="the live version answers",
                remedy=f"read {server_files.log_uri}, then do this again",
            )

    def refuse_without_server(self, version: ModelVersion) -> None:
        """Raise BadInputError if no rollout has started a server for this version's workload."""
        model_server.server_of(self.settings.server_files(version.workload))

    def canary(self, workload: str) -> str | None:
        """See Servers."""
        server_files = self.settings.server_files(workload)
        target, status = server_files.read_target(), server_files.read_status()
        if target is None or target.canary is None or (status and status.state in ("reverted", "failed")):
            return None
        return target.canary.version

    def is_rolling_out(self, workload: str) -> bool:
        """See Servers."""
        return self.canary(workload) is not None

    def answering(self, workload: str) -> list[str] | None:
        """See Servers."""
        server_files = self.settings.server_files(workload)
        spec = model_server.begun_spec(server_files)
        if spec is None or self.settings.process_launcher().service_pid(spec.state_uri) is None:
            return []
        access = model_server.access(self.settings)
        try:
            with InferenceClient(server_files.address or "", workload, timeout_seconds=5, access=access) as client:
                return client.versions()
        except RequestFailedError as error:
            # any HTTP error means no version: a server has status 503 before its first one and after a withdrawal
            return None if error.status is None else []

    def held(self) -> list[ModelVersion]:
        """Return the versions in the targets of this machine's servers. Raises RefusedError for an unsigned target.

        Left out is the target of an earlier version of Millrace whose server has ended: no server follows it.
        """
        targets = [
            server_files.read_target()
            for server_files, spec in model_server.all_server_files(self.settings)
            if spec or model_server.is_running(server_files, self.settings)
        ]
        return [model for target in targets if target for model in (target.stable, target.canary) if model]

    def _target_alone(self, server_files: ServerFiles, target: ServingTarget, version: ModelVersion) -> ServingTarget:
        """Return a target with this version alone, written unless it is the target already; start a stopped server."""
        if (target.stable, target.canary) != (version, None):
            target = server_files.write_target(target.policy, version)
        if (spec := model_server.begun_spec(server_files)) is not None:
            model_server.restart(server_files, spec, self.settings)
        return target
