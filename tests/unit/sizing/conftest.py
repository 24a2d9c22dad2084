"""Workloads to size."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from millrace.contracts.calibration import Calibration
from millrace.contracts.data import Column, Dataset, DatasetVersion, LengthHistogram, Profile, Source, Split, Target
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.traced import TracedModel
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.sizing.catalogue import Site
from millrace.sizing.plan import make_plan
from millrace.sizing.prices import RateForecasts

# config.json of the MiniLM (6 layers, 384 wide) that the demonstration starts from.
MINILM = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}


def _workload(trainer: str, base_model: str | None, max_length: int | None, labels: int, **options: str) -> Workload:
    text = max_length is not None
    features = (
        [Column(name="text", type="string")] if text else [Column(name=f"x{i}", type="float64") for i in range(4)]
    )
    return Workload(
        name="sized",
        description="d",
        owner="o",
        team="t",
        start=date(2024, 1, 1),
        dataset=Dataset(
            source=Source(uri_template="file:///arrivals/{partition}.jsonl", format="jsonl"),
            columns=(Column(name="id", type="string"), *features, Column(name="label", type="string")),
            features=tuple(column.name for column in features),
            target=Target(column="label", kind="single_label", labels=tuple(f"l{i}" for i in range(labels))),
            split=Split(key="id"),
        ),
        training=Training(trainer=trainer, base_model=base_model, max_length=max_length, options=dict(options)),
        gate=GatePolicy(quality_floor=0.5),
    )


@pytest.fixture
def minilm() -> dict[str, object]:
    return dict(MINILM)


@pytest.fixture
def text_workload() -> Workload:
    return _workload("bert_text_classifier", "minilm-l6", 64, 33)


@pytest.fixture
def table_workload() -> Workload:
    return _workload("mlp_classifier", None, None, 3, hidden="64,32")


@pytest.fixture
def machine() -> Hardware:
    """The two cores that the anchors were measured on."""
    return Hardware(
        name="cpu",
        cores=2,
        gflops_per_core=88,
        idle_watts_per_core=0.74,
        active_watts_per_core=2.76,
        memory_bytes=24 * 2**30,
    )


@pytest.fixture
def plan(text_workload: Workload, machine: Hardware) -> Callable[..., Plan]:
    """A plan for the text workload on all-long rows, with anything changed."""

    def plan(
        *,
        workload: Workload = text_workload,
        base_config: dict[str, object] | None = MINILM,
        hardware: Hardware = machine,
        site: Site = Site(name="local"),  # noqa: B008 - frozen
        train_rows: int = 3_200,
        bytes: int = 6_000_000,
        lengths: LengthHistogram | None = None,
        traced: TracedModel | None = None,
        calibration: Calibration | None = None,
        forecasts: RateForecasts | None = None,
        **changes: object,
    ) -> Plan:
        given = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-4, "max_length": workload.training.max_length}
        return make_plan(
            workload,
            Parameters.model_validate({**given, **changes}),
            dataset=DatasetVersion(workload="sized", uri="file:///store/sized", version=3, until=date(2024, 1, 14)),
            profile=Profile(
                rows=train_rows + 400,
                bytes=bytes,
                rows_by_split={"train": train_rows, "validation": 320, "test": 2_000},
                label_counts={},
                token_lengths=lengths,
            ),
            base_config=base_config,
            traced=traced,
            calibration=calibration,
            forecasts=forecasts,
            hardware=hardware,
            site=site,
            made_at=datetime(2024, 1, 15, tzinfo=UTC),
        )

    return plan
