"""Access control of the pages: Airflow's permissions by DAG, and tokens against forged forms (CSRF)."""

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import Depends, Form, HTTPException, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

_FORM_SECONDS = 3600


def _readable(user: GetUserDep) -> frozenset[str]:
    return frozenset(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


ReadableDags = Annotated[frozenset[str], Depends(_readable)]
"""Dependency: the ids of the DAGs that this user may read."""

DagReader = Depends(requires_access_dag("GET"))
"""Dependency: HTTP 403 unless this user may read the DAG that the address names."""

DagEditor = Depends(requires_access_dag("PUT"))
"""Dependency: HTTP 403 unless this user may edit the DAG that the address names."""


def may_edit(user: GetUserDep, dag_id: str) -> bool:
    """Return whether this user may edit the DAG; it decides which buttons are shown, and the routes check again."""
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return bool(get_auth_manager().is_authorized_dag(method="PUT", details=details, user=user))


def may_trigger(user: GetUserDep, dag_id: str) -> bool:
    """Return whether this user may trigger the DAG; it decides what is shown, and Airflow's own API checks again."""
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    manager = get_auth_manager()
    return bool(manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user))


def _reads_audit_of_all(user: GetUserDep) -> bool:
    manager = get_auth_manager()
    return bool(manager.is_authorized_dag(method="GET", access_entity=DagAccessEntity.AUDIT_LOG, user=user))


ReadsAuditOfAll = Annotated[bool, Depends(_reads_audit_of_all)]
"""Dependency: whether this user may read Airflow's audit log of all DAGs, and so site-wide rows of the audit."""


def form_token(user: GetUserDep, purpose: str) -> str:
    """Return a signed token for a form's hidden field, valid for this user and purpose for an hour."""
    return str(_signer(purpose).dumps(user.get_id()))


def came_from_our_page(request: Request, user: GetUserDep, token: Annotated[str, Form()] = "") -> None:
    """Raise HTTP 403 unless the form's token is valid and the browser's Sec-Fetch-Site header, if sent, is same-origin.

    The purpose is the last part of the address.
    """
    purpose = request.url.path.rpartition("/")[2]
    try:
        known = _signer(purpose).loads(token, max_age=_FORM_SECONDS) == user.get_id()
    except BadSignature:
        known = False
    if not known or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "This form is too old or came from another page: open the page again")


def _signer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(get_signing_key("api", "secret_key"), salt=f"millrace {purpose}")
