"""Commands that print what an administrator applies to serve models in a cluster."""

from typing import Annotated, Literal

import typer

from millrace.cli.invocation import load_settings

Output = Literal["kubernetes", "kserve"]


def manifests(
    workload: str,
    output: Annotated[Output, typer.Option(help="kserve: an InferenceService.")] = "kubernetes",
) -> None:
    """Print the manifests that serve a workload's live version: `… | kubectl diff -f -` shows changes made by hand."""
    import yaml

    from millrace.orchestration.servers.cluster_servers import live_inference_service, live_manifests

    settings = load_settings()
    found = [live_inference_service(settings, workload)] if output == "kserve" else live_manifests(settings, workload)
    typer.echo(yaml.safe_dump_all(found, sort_keys=False), nl=False)


def serving_secret(
    workload: Annotated[str, typer.Option(help="Workload of the servers; empty: servers of every workload.")] = "",
    team: Annotated[str, typer.Option(help="The workload's team, if the settings contain `{team}`.")] = "",
) -> None:
    """Print a Secret with the certificate and token of model servers: `… | kubectl apply -f -`.

    It is for a cluster without cert-manager. Each call makes a new authority, certificate and token; the authority
    signs nothing else. After a new Secret is applied, servers and Airflow load it without a restart.
    """
    from millrace.contracts.errors import BadInputError
    from millrace.serving.secret import serving_secret

    cluster = load_settings().cluster()
    if not cluster.is_shared:
        if not (workload and team):
            raise BadInputError(
                "whose secret it is is not said",
                where="serving-secret",
                rule="settings that take {team} or {workload} need both",
                remedy="--team TEAM --workload WORKLOAD",
            )
        cluster = cluster.for_team(team, workload)
    typer.echo(serving_secret(cluster, workload), nl=False)
