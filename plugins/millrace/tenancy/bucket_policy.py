"""The S3 bucket policy of the store: the rights of each team's steps and servers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.contracts.cluster import label
from millrace.contracts.errors import BadInputError

PRINCIPAL = "arn:aws:iam:::user/millrace-{role}-{team}"
"""ARN of a team's user in Ceph; ``{role}`` is steps or servers."""

AIRFLOW = "arn:aws:iam:::user/millrace-airflow"
"""ARN of Airflow's user."""

_READ = ["s3:GetObject"]
_WRITE = [*_READ, "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
# folders that a run's steps write; _SERVED are those that servers read
_WRITTEN = ("runs", "datasets", "dataset-generations", "models")
_SERVED = ("serving", "models")
_KEPT = (*_WRITTEN, "serving", "base-models", "traces")


@dataclass(frozen=True)
class Tenant:
    """A team with its workloads; ``reads`` are the URI templates of its arrivals."""

    team: str
    workloads: tuple[str, ...]
    reads: tuple[str, ...] = ()


def bucket_policy(
    tenants: Iterable[Tenant], store: str, bucket: str, principal: str = PRINCIPAL, airflow: str = AIRFLOW
) -> dict[str, Any]:
    """Return the complete policy of one bucket, which replaces the previous one.

    A team's steps write their own runs, datasets and models and read base models and their own arrivals; its servers
    read their own serving targets and models. Airflow has all rights: in Ceph a file belongs to its writer, so that
    otherwise not even the bucket's owner could read a step's report.
    """
    arn = f"arn:aws:s3:::{bucket}"
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Airflow",
            "Effect": "Allow",
            "Principal": {"AWS": [airflow]},
            "Action": ["s3:*"],
            "Resource": [arn, f"{arn}/*"],
        }
    ]
    for tenant in tenants:
        own = _below(store, bucket, [(folder, each) for each in tenant.workloads for folder in _WRITTEN])
        read = _below(store, bucket, [("base-models",)]) + _patterns(tenant.reads, store, bucket)
        statements += _statements(tenant.team, "steps", principal, bucket, own, read)
        served = _below(store, bucket, [(folder, each) for each in tenant.workloads for folder in _SERVED])
        statements += _statements(tenant.team, "servers", principal, bucket, [], served)
    return {"Version": "2012-10-17", "Statement": statements}


def _statements(
    team: str, role: str, principal: str, bucket: str, own: Sequence[str], read: Sequence[str]
) -> list[dict[str, Any]]:
    if not (own or read):
        return []
    arn = f"arn:aws:s3:::{bucket}"
    who = {"AWS": [principal.replace("{role}", role).replace("{team}", label(team))]}
    name = re.sub(r"[^A-Za-z0-9]", "", f"{team.title()}{role.title()}")

    def allow(what: str, actions: list[str], resources: list[str], **condition: Any) -> dict[str, Any]:  # noqa: ANN401
        statement = {"Sid": name + what, "Effect": "Allow", "Principal": who, "Action": actions, "Resource": resources}
        return {**statement, "Condition": condition} if condition else statement

    # a listing's prefix is the part of a pattern before its first star
    listed = sorted({each.partition("*")[0] + "*" for each in (*own, *read)})
    found = [allow("Write", _WRITE, [f"{arn}/{each}" for each in own])] if own else []
    # for a deletion of several files Ceph checks the bucket, and then each file
    found += [allow("DeleteSeveral", ["s3:DeleteObject"], [arn])] if own else []
    found += [allow("Read", _READ, [f"{arn}/{each}" for each in read])] if read else []
    return [
        *found,
        allow("List", ["s3:ListBucket"], [arn], StringLike={"s3:prefix": listed}),
        # true of no listing, only of a read: a missing file then answers "not found" instead of "forbidden"
        allow("Missing", ["s3:ListBucket"], [arn], Null={"s3:prefix": "true", "s3:max-keys": "true"}),
    ]


def _below(store: str, bucket: str, folders: Iterable[tuple[str, ...]]) -> list[str]:
    from millrace.storage import s3  # importing Arrow takes a second, and every command imports this module

    if not store.startswith("s3://") or s3.bucket_and_key(store)[0] != bucket:
        return []
    root = s3.bucket_and_key(store)[1]
    return ["/".join(filter(None, (root, *folder, "*"))) for folder in folders]


def _patterns(templates: Iterable[str], store: str, bucket: str) -> list[str]:
    """Return the key patterns of a day's files, with stars for the day and for a compression suffix.

    Raises BadInputError for a source that would grant access to the store's own folders: a DAG declares the source, an
    administrator applies the policy.
    """
    from millrace.storage import s3

    found = []
    kept = [each.removesuffix("*") for each in _below(store, bucket, [(folder,) for folder in _KEPT])]
    for template in templates:
        if not template.startswith("s3://") or s3.bucket_and_key(template)[0] != bucket:
            continue
        key = s3.bucket_and_key(template)[1]
        fixed = key.partition("{")[0]
        if any(fixed.startswith(each) or each.startswith(fixed) for each in kept):
            raise BadInputError(
                "a source would open what others keep",
                where=template,
                rule=f"arrivals lie beside {store}/{{{','.join(_KEPT)}}}",
                remedy="give the workload a source of its own",
            )
        found.append(re.sub(r"\{[a-z]+\}", "*", key).rstrip("*") + "*")
    return sorted(set(found))
