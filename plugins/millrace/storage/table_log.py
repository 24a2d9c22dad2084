"""Reading of a Delta table's log."""

from datetime import date

from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN
from millrace.contracts.errors import TransientError
from millrace.storage import s3


def contents(uri: str, version: int) -> dict[date, str] | None:
    """Return the digest of each partition's content at a version; None if the log has no such version.

    Raises TransientError if the store does not answer.
    """
    # imported here because they take a third of a second
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        newest = DeltaTable(uri, storage_options=s3.delta_options(uri))
        if not 0 <= version <= newest.version():
            return None
        newest.load_as_version(version)
        actions = pa.table(newest.get_add_actions(flatten=True))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise TransientError(
            f"the table's log cannot be read: {error}",
            where=uri,
            rule=f"version {version} is in the log",
            remedy="the task is retried; if that fails, look at the store",
        ) from error
    days, digests = (actions[f"partition.{name}"].to_pylist() for name in (PARTITION_COLUMN, CONTENT_COLUMN))
    return dict(zip(days, digests, strict=True))
