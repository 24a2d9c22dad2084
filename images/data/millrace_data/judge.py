"""Great Expectations: suites from a workload's declaration, run on data frames. Importing this module takes seconds."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Column, Dataset
from millrace.contracts.report import ExpectationOutcome
from millrace.storage import files
from millrace_data import bounds
from millrace_data.rules import LENGTH_UNITS
from millrace_data.schema import SPLITS, staged_schema

LABEL, SHARE_CHANGE = "label", "share_change"
LARGEST_FEATURE = 3.4028235e38
"""Upper bound of features: trainers read numbers as float32, and this value and smaller ones round to a finite one."""

_LONG = 10**15
_DOCS_AT_ONCE = 8


def row_expectations(dataset: Dataset) -> list[Expectation]:
    """Return expectations for a partition's Measurements: row count, columns, nulls, lengths, ranges, vocabularies."""
    least, most = dataset.expectations.min_rows, dataset.expectations.max_rows
    names = staged_schema(dataset).names
    rule = f"{least:,} rows or more" if most is None else f"{least:,} to {most:,} rows"
    complete = [column.name for column in dataset.columns if not column.nullable]
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=least, max_value=most, meta={"rule": rule}),
        gxe.ExpectTableColumnsToMatchSet(column_set=names, exact_match=True, meta={"rule": f"the columns {names}"}),
        *(
            gxe.ExpectColumnValuesToNotBeNull(column=name, meta={"rule": "complete"})
            for name in [*complete, SPLIT_COLUMN, PARTITION_COLUMN]
        ),
        *(expectation for column in dataset.columns for expectation in _bounds(column, dataset)),
        *_vocabularies(dataset),
    ]


def _bounds(column: Column, dataset: Dataset) -> Iterator[Expectation]:
    if column.name in {dataset.target.column, dataset.split.column} and column.kind.kind != "list":
        return  # the rule of its vocabulary is stricter
    if column.kind.is_number:
        yield from _number_bounds(column)
        if column.name in dataset.features and _may_be_too_large(column):
            yield _between(
                column.name,
                -LARGEST_FEATURE,
                LARGEST_FEATURE,
                f"a number that is a feature fits a float of 32 bits, at most {LARGEST_FEATURE} in size",
            )
    elif column.kind.kind in LENGTH_UNITS:
        unit = LENGTH_UNITS[column.kind.kind]
        ends = (column.min_length, column.max_length)
        if rule := _said(("min_length", "max_length"), ends):
            yield _between(column.name, *ends, f"{rule} {unit}")


def _may_be_too_large(column: Column) -> bool:
    ends = [bounds.least(column), bounds.most(column)]
    is_bounded = all(end is not None and abs(float(end)) <= LARGEST_FEATURE for end in ends)
    return column.kind.kind == "float" and column.kind.bits == 64 and not is_bounded


def _number_bounds(column: Column) -> Iterator[Expectation]:
    rule = _said(("minimum", "maximum"), (column.minimum, column.maximum))
    if not rule:
        return
    if bounds.are_plain(column):
        yield _between(column.name, bounds.least(column), bounds.most(column), rule)
    else:
        yield _between(column.name, 0, 0, f"{rule} (0: within, -1: below, 1: above)")


def _between(column: str, least: object, most: object, rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most, meta={"rule": rule})


def _said(names: tuple[str, str], values: tuple[float | None, float | None]) -> str:
    return " and ".join(
        f"{name} {_number(value)}" for name, value in zip(names, values, strict=True) if value is not None
    )


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < _LONG else str(value)


def _vocabularies(dataset: Dataset) -> Iterator[Expectation]:
    yield _within(SPLIT_COLUMN, SPLITS, "one of Millrace's splits")
    if dataset.split.column is not None:
        yield _within(dataset.split.column, ("train", "test"), "train or test")
    if dataset.target.kind == "single_label":
        yield _within(dataset.target.column, dataset.target.labels, "one of target.labels")


def _within(column: str, values: Sequence[str], rule: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values), meta={"rule": rule})


def label_expectations(dataset: Dataset) -> list[Expectation]:
    """Return the expectation for a partition's distinct labels, one row a label: each is in ``target.labels``."""
    return [_within(LABEL, dataset.target.labels, "one of target.labels")]


def balance_expectations(dataset: Dataset) -> list[Expectation]:
    """Return the expectation for the workload's labels, one row a label: each share is close to the live version's.

    A label may have no rows.
    """
    most = dataset.expectations.max_label_share_change
    rule = f"a label's share of rows differs by at most {most} from the live version's, beyond what chance may do"
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=SHARE_CHANGE, min_value=-most, max_value=most, meta={"rule": f"{rule} to so many rows"}
        )
    ]


# This logger sets its own level at import and logs every temporary folder.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)


class Judge:
    """Runs suites on data frames and keeps the results for the Data Docs; a context manager.

    Frames are pandas', or Spark's for suites added with ``on_spark``, which Great Expectations' Spark engine runs.
    """

    def __init__(self) -> None:
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        site = self._context.variables.data_docs_sites["local_site"]
        self._site_folder = Path(site["store_backend"]["base_directory"])
        self._source = self._context.data_sources.add_pandas("staging")
        self._definitions: dict[str, Any] = {}
        # set here, since Great Expectations otherwise parses a time from the name, and "-31" of a day as a UTC offset
        self._judged_at = datetime.now(UTC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._site_folder, ignore_errors=True)

    def add_suite(self, name: str, expectations: list[Expectation], on_spark: bool = False) -> None:
        """Register a suite under the name by which ``judge`` runs it."""
        suite = self._context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        source = self._context.data_sources.add_spark("staging on Spark") if on_spark else self._source
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        self._definitions[name] = self._context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batch, suite=suite)
        )

    def judge(self, suite: str, frame: object, partition: str) -> list[ExpectationOutcome]:
        """Return one outcome for each expectation. If one failed, the suite runs again for counts, never for values."""
        result = self._run(suite, frame, partition, "BOOLEAN_ONLY")
        if not result.success:
            result = self._run(suite, frame, partition, "SUMMARY")
        return [_outcome(found, partition) for found in result.results]

    def _run(self, suite: str, frame: object, partition: str, result_format: str) -> Any:  # noqa: ANN401
        return self._definitions[suite].run(
            batch_parameters={"dataframe": frame},
            result_format=result_format,
            run_id=gx.RunIdentifier(run_name=partition, run_time=self._judged_at),
        )

    def write_docs(self, folder_uri: str) -> str:
        """Write the Data Docs of all results to a folder; return the URI of its index.html."""
        self._context.build_data_docs()
        # file by file: pyarrow's copy writes a marker for each parent folder, for which a team may lack permission
        with ThreadPoolExecutor(_DOCS_AT_ONCE) as pool:
            found = [each for each in self._site_folder.rglob("*") if each.is_file()]
            uris = [files.join(folder_uri, *each.relative_to(self._site_folder).parts) for each in found]
            list(pool.map(files.put_file, found, uris))
        return files.join(folder_uri, "index.html")


def _outcome(found: Any, partition: str) -> ExpectationOutcome:  # noqa: ANN401
    config = found.expectation_config
    rule = (config.meta or {}).get("rule", config.type)
    return ExpectationOutcome(
        partition=partition,
        expectation=config.type,
        column=config.kwargs.get("column"),
        success=bool(found.success),
        detail=rule if found.success else f"{rule}; {_counts(found)}",
    )


def _counts(found: Any) -> str:  # noqa: ANN401
    result: Mapping[str, Any] = found.result or {}
    if (found.exception_info or {}).get("raised_exception"):
        return "it could not be evaluated"
    if "unexpected_count" in result and "element_count" in result:
        return f"{result['unexpected_count']:,} of {result['element_count']:,} break it"
    if isinstance(result.get("observed_value"), int):
        return f"observed {result['observed_value']:,}"
    return "not so"
