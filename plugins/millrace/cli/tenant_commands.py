"""``python -m millrace tenants``: what a site applies so that teams keep to their own."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from millrace.cli.ledger_commands import load_settings
from millrace.tenancy.bucket_policy import AIRFLOW, PRINCIPAL, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millrace.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="What keeps teams apart, in the store and in the cluster.")
Added = Annotated[
    list[str] | None, typer.Option("--add", metavar="TEAM/WORKLOAD", help="Beside those that the ledger knows.")
]


@commands.command()
def policy(
    add: Added = None,
    bucket: Annotated[str, typer.Option(help="The store's when empty; arrivals may have another.")] = "",
    principal: Annotated[
        str, typer.Option(help="Who the S3 knows; takes `{team}` and `{role}`: steps or servers.")
    ] = PRINCIPAL,
    airflow: Annotated[str, typer.Option(help="Airflow's own user there.")] = AIRFLOW,
) -> None:
    """Print a bucket's policy (JSON) for all teams: `… > policy.json; aws s3api put-bucket-policy …`.

    It replaces the bucket's policy of before, so that all teams are in it.
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
    team: Annotated[str, typer.Argument(help="Whose.")],
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
    """Each team with its workloads, by the ledger and those added (``team/workload``).

    A workload that has not run yet has its arrivals below its own name. Raises BadInputError for teams that would share
    their names in the cluster.
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
