"""``python -m millrace tenants``: bucket policies and cluster manifests that isolate teams from each other."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.cli.invocation import load_settings
from millrace.tenancy.bucket_policy import AIRFLOW, PRINCIPAL, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millrace.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Bucket policies and manifests that isolate teams from each other.")
Added = Annotated[
    list[str] | None, typer.Option("--add", metavar="TEAM/WORKLOAD", help="Workload that the ledger does not have yet.")
]


@commands.command()
def policy(
    add: Added = None,
    bucket: Annotated[str, typer.Option(help="Empty: the store's bucket. Arrivals may be in another bucket.")] = "",
    principal: Annotated[
        str, typer.Option(help="S3 principal of a team; may contain `{team}` and `{role}` (steps or servers).")
    ] = PRINCIPAL,
    airflow: Annotated[str, typer.Option(help="S3 principal of Airflow.")] = AIRFLOW,
) -> None:
    """Print a bucket's policy (JSON) for all teams: `… > policy.json; aws s3api put-bucket-policy …`.

    An applied policy replaces the bucket's earlier policy, so it contains all teams.
    """
    from millrace.storage import s3
    from millrace.tenancy.bucket_policy import bucket_policy

    settings = load_settings()
    if not bucket and not settings.store.startswith("s3://"):
        raise typer.BadParameter(f"the store is no bucket: {settings.store}")
    named = bucket or s3.bucket_and_key(settings.store)[0]
    found = bucket_policy(tenants(settings, add or []), settings.store, named, principal, airflow)
    typer.echo(json.dumps(found, indent=1))


@commands.command()
def manifests(
    team: Annotated[str, typer.Argument(help="Name of the team.")],
    add: Added = None,
    airflow: Annotated[
        str, typer.Option(metavar="NAMESPACE/NAME", help="Airflow's service account.")
    ] = "millrace-airflow/millrace-airflow",
) -> None:
    """Print a team's namespaces, service accounts, roles, limits and network policies: `… | kubectl apply -f -`."""
    import yaml

    from millrace.tenancy.manifests import manifests

    settings = load_settings()
    cluster = settings.cluster()
    mine = [each for each in tenants(settings, add or []) if each.team == team]
    if not mine:
        raise typer.BadParameter(f"nobody knows a workload of {team}: --add {team}/WORKLOAD")
    found = manifests([cluster.for_team(team, each) for each in mine[0].workloads], airflow)
    typer.echo(yaml.safe_dump_all(found, sort_keys=False), nl=False)


def tenants(settings: "Settings", added: "Sequence[str]") -> list[Tenant]:
    """Return each team with its workloads: those in the ledger and those in ``added`` (``team/workload``).

    The arrivals of an added workload are in a folder of its name. Raises BadInputError if two teams have the same
    name in the cluster.
    """
    from millrace.contracts.cluster import label
    from millrace.contracts.errors import BadInputError
    from millrace.contracts.source import Source

    reads: dict[tuple[str, str], set[str]] = {}
    for each in added:
        team, _, workload = each.partition("/")
        if not (team and workload):
            raise typer.BadParameter(f"{each!r} is no TEAM/WORKLOAD")
        reads[team, workload] = {f"{settings.arrivals.rstrip('/')}/{workload}/{{partition}}"}
    for row in settings.ledger().tenants():
        source = Source.model_validate_json(row["source"]) if row["source"] else None
        templates = [source.uri_template, *([source.marker.uri_template] if source.marker else [])] if source else []
        own = reads.setdefault((row["team"], row["workload"]), set())
        own |= {each.replace("{arrivals}", settings.arrivals.rstrip("/")) for each in templates}
    teams = sorted({team for team, _ in reads})
    if len({label(team) for team in teams}) < len(teams):
        raise BadInputError(
            f"two of these teams have one name in the cluster: {', '.join(teams)}",
            where="the workloads' teams",
            rule="names differ in more than '_', '.' and '-'",
            remedy="rename one of them",
        )
    return [
        Tenant(
            team,
            tuple(sorted(workload for of, workload in reads if of == team)),
            tuple(sorted(uri for (of, _), uris in reads.items() if of == team for uri in uris)),
        )
        for team in teams
    ]
