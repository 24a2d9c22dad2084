"""Retention: what a store keeps and for how long, and what a sweep found."""

from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract

Kind = Literal["attempt", "part", "upload", "table_file", "model"]


class RetentionPolicy(Contract):
    """How long data is kept that no live version refers to."""

    attempt_days: float = Field(ge=0, description="attempt folders of a run's steps, after the run's end")
    models: int = Field(ge=0, description="model versions before the live one, for rollback")
    grace_hours: float = Field(ge=0, description="incomplete files and uploads")
    table_hours: float = Field(ge=0, description="files of a table that no version in use refers to")


class Found(Contract):
    """Data that the sweep may remove, by kind and workload."""

    kind: Kind
    workload: str
    uri: str
    items: int
    size_bytes: int


class StoredSize(Contract):
    """Stored files and bytes of a workload, for one kind of data."""

    workload: str
    kind: Literal["dataset", "models", "runs", "serving"]
    files: int
    size_bytes: int
