"""Great Expectations: run suites on data frames and write the Data Docs. Importing this module takes seconds."""

import logging
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import great_expectations as gx
from great_expectations.expectations.expectation import Expectation

from millrace.contracts.report import ExpectationOutcome
from millrace.storage import files

_DOCS_AT_ONCE = 8

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
