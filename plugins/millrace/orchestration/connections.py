"""Store credentials from Airflow's connections, for Airflow's processes; pods have theirs from mounted secrets."""

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from millrace.contracts.errors import BadInputError
from millrace.settings import Settings
from millrace.storage import places, s3


def reach_stores(settings: Settings) -> None:
    """Give this process, and steps that it starts, access to the buckets of the store and of the arrivals.

    Afterwards only these, the forecast's URI and sources that workloads declare can be opened. Raises BadInputError for
    a connection that does not exist or has no keys. Without a connection's name in the settings no keys are granted.
    """
    places.confine(settings.store, settings.arrivals, settings.forecast_uri)
    named = {settings.store: settings.storage_connection, settings.arrivals: settings.arrivals_connection}
    for uri, name in named.items():
        if name and uri.startswith("s3://"):
            _grant(uri, name)


def _grant(uri: str, name: str) -> None:
    remedy = f"airflow connections add {name} --conn-type aws, with the keys as login and password"
    try:
        connection = BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise BadInputError(
            "there is no such Airflow connection", where=name, rule="the store's connection exists", remedy=remedy
        ) from error
    if not connection.login or not connection.password:
        raise BadInputError("the Airflow connection has no keys", where=name, rule="login and password", remedy=remedy)
    extra = connection.extra_dejson
    token = str(extra.get("aws_session_token", ""))
    for secret in filter(None, (connection.password, token)):
        mask_secret(secret)
    s3.grant(
        uri,
        access_key=connection.login,
        secret_key=connection.password,
        session_token=token,
        endpoint=str(extra.get("endpoint_url", "")),
        region=str(extra.get("region_name", "")),
    )
