"""What is kept in a store and for how long, and what a sweep found."""

from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract

Kind = Literal["attempt", "part", "upload", "table_file", "model"]


class RetentionPolicy(Contract):
    """How long things stay that no live version names."""

    attempt_days: float = Field(ge=0, description="folders of a run's steps, after the run's end")
    models: int = Field(ge=0, description="model versions before the live one, so that going back works")
    grace_hours: float = Field(ge=0, description="files in the making and uploads that nobody has completed")
    table_hours: float = Field(ge=0, description="files of a table that no version in use has any more")


class Found(Contract):
    """Something that may go, by its kind and workload."""

    kind: Kind
    workload: str
    uri: str
    items: int
    size_bytes: int


class StoredSize(Contract):
    """What a workload keeps of one kind."""

    workload: str
    kind: Literal["dataset", "models", "runs", "serving"]
    files: int
    size_bytes: int
