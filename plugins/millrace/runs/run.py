"""One run of a workload: who it is, which days it takes, where its files go."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from millrace.contracts.data import Window
from millrace.contracts.parameters import Parameters
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import Workload
from millrace.storage import files

SERVE_STEP = "serve"


@dataclass(frozen=True)
class Run:
    """A DAG run (and which repeat of it) with everything that a step's order is made from."""

    workload: Workload
    parameters: Parameters
    window: Window
    dag_id: str
    run_id: str
    run_type: str
    repeat: int
    store: str
    spark_from_bytes: int | None = None

    @classmethod
    def imagined(cls, workload: Workload, parameters: Parameters, day: date, store: str) -> Self:
        """A run of one day that nobody began: what it would take is asked."""
        return cls(workload, parameters, Window(first=day, last=day), workload.name, "imagined", "manual", 0, store)

    @property
    def folder_uri(self) -> str:
        """The run's own folder, which all its repeats share."""
        return run_folder_uri(self.store, self.dag_id, self.run_id)

    @property
    def dataset_uri(self) -> str:
        """The Delta table of the data set's generation: no two share a folder, and none lies inside another."""
        if self.generation == 1:
            return files.join(self.store, "datasets", self.workload.name)
        return files.join(self.store, "dataset-generations", self.workload.name, str(self.generation))

    @property
    def generation(self) -> int:
        """Of the workload's data set."""
        return self.workload.dataset.generation

    @property
    def models_uri(self) -> str:
        """The folder of the workload's model versions."""
        return files.join(self.store, "models", self.workload.name)

    def key(self, task_id: str, try_number: int, map_index: int = -1) -> TryKey:
        """The key of one try of one task of this run."""
        return TryKey(
            dag_id=self.dag_id,
            run_id=self.run_id,
            repeat=self.repeat,
            task_id=task_id,
            map_index=map_index,
            try_number=try_number,
        )

    def step_uri(self, key: TryKey) -> str:
        """The folder of all tries of one step, or of one part of a mapped one: the first part has the step's name."""
        return files.join(self.folder_uri, step_folder(key))

    def attempt_uri(self, key: TryKey, restart: int = 0) -> str:
        """One try's folder, or one restart's. Try numbers grow over repeats, so no two tries share one."""
        name = f"try-{key.try_number}" + (f"-restart-{restart}" if restart else "")
        return files.join(self.step_uri(key), name)

    def next_restart(self, key: TryKey) -> int:
        """The number of the next restart within a try."""
        own = f"try-{key.try_number}"
        return sum(name == own or name.startswith(f"{own}-") for name in self.attempts(key))

    def attempts(self, key: TryKey) -> list[str]:
        """The names of the folders that tries of this step have left."""
        return [name for name in files.names(self.step_uri(key)) if name.startswith("try-")]

    def state_uri(self, key: TryKey) -> str:
        """What the tries of one step share: its lock and its checkpoints. A repeat starts afresh."""
        return files.join(self.step_uri(key), f"state-{key.repeat}")


def step_folder(key: TryKey) -> str:
    """The name of the folder of a step's tries, below its run's."""
    return key.task_id + (f"-{key.map_index}" if key.map_index > 0 else "")


def run_folder_uri(store: str, dag_id: str, run_id: str) -> str:
    """A run's own folder; its name is readable, safe and different for each run."""
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", run_id).strip("-")[:48]
    return files.join(store, "runs", dag_id, f"{readable}-{digest}")


def base_model_uri(store: str, name: str) -> str:
    """Where a base model is kept."""
    return files.join(store, "base-models", name)
