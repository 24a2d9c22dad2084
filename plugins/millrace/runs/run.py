"""One run of a workload: its key, its window of days, and the URIs of its files."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from millrace.contracts.data import Window
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import Workload
from millrace.storage import files

SERVE_STEP = "serve"


@dataclass(frozen=True)
class Run:
    """A repeat of a DAG run, with all values that its step specs are made from.

    ``plans`` holds the plan once a task has read it (see step_specs.plan_of): no plan changes while a task needs it.
    """

    workload: Workload
    parameters: Parameters
    window: Window
    dag_id: str
    run_id: str
    run_type: str
    repeat: int
    store: str
    spark_from_bytes: int | None = None
    plans: list[Plan] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def imagined(cls, workload: Workload, parameters: Parameters, day: date, store: str) -> Self:
        """Return a run of one day that does not exist, for predictions of what it would take."""
        return cls(workload, parameters, Window(first=day, last=day), workload.name, "imagined", "manual", 0, store)

    @property
    def folder_uri(self) -> str:
        """The run's folder, which all its repeats share."""
        return run_folder_uri(self.store, self.dag_id, self.run_id)

    @property
    def dataset_uri(self) -> str:
        """The Delta table of the dataset's generation: no two share a folder, and none lies inside another."""
        if self.generation == 1:
            return files.join(self.store, "datasets", self.workload.name)
        return files.join(self.store, "dataset-generations", self.workload.name, str(self.generation))

    @property
    def generation(self) -> int:
        """The generation of the workload's dataset."""
        return self.workload.dataset.generation

    @property
    def models_uri(self) -> str:
        """The folder of the workload's model versions."""
        return files.join(self.store, "models", self.workload.name)

    def key(self, task_id: str, try_number: int, map_index: int = -1) -> TryKey:
        """Return the key of one attempt of one task of this run."""
        return TryKey(
            dag_id=self.dag_id,
            run_id=self.run_id,
            repeat=self.repeat,
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
        )

    def step_uri(self, key: TryKey) -> str:
        """Return the folder of all attempts of a step, or of one instance of a mapped step (see ``step_folder``)."""
        return files.join(self.folder_uri, step_folder(key))

    def attempt_uri(self, key: TryKey, restart: int = 0) -> str:
        """Return the folder of an attempt or a restart. Try numbers grow over repeats, so no two attempts share one."""
        name = f"try-{key.try_number}" + (f"-restart-{restart}" if restart else "")
        return files.join(self.step_uri(key), name)

    def next_restart(self, key: TryKey) -> int:
        """Return the number of the next restart within an attempt."""
        own = f"try-{key.try_number}"
        return sum(name == own or name.startswith(f"{own}-") for name in self.attempts(key))

    def attempts(self, key: TryKey) -> list[str]:
        """Return the names of the folders of this step's attempts and restarts."""
        return [name for name in files.names(self.step_uri(key)) if name.startswith("try-")]

    def state_uri(self, key: TryKey) -> str:
        """Return the folder that a step's attempts share (lock, checkpoints); each repeat has its own."""
        return files.join(self.step_uri(key), f"state-{key.repeat}")


def step_folder(key: TryKey) -> str:
    """Return the name of a step's folder below its run's: the task ID, with the map index from 1 on."""
    return key.task_id + (f"-{key.map_index}" if key.map_index > 0 else "")


def run_folder_uri(store: str, dag_id: str, run_id: str) -> str:
    """Return a run's folder; its name is readable, safe in URIs and different for each run."""
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", run_id).strip("-")[:48]
    return files.join(store, "runs", dag_id, f"{readable}-{digest}")


def base_model_uri(store: str, name: str) -> str:
    """Return the folder of a base model."""
    return files.join(store, "base-models", name)
