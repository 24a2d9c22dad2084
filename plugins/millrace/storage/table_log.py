"""What a Delta table's own log says of a version."""

from datetime import date

from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN
from millrace.contracts.errors import TransientError
from millrace.storage import s3


def contents(uri: str, version: int) -> dict[date, str] | None:
    """The digest of each partition's content at a version; None where the log has no such version.

    Raises TransientError where the store does not answer.
    """
    # a third of a second, for those who ask
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
