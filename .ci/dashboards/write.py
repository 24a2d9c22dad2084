"""Write the stack's Grafana dashboards into the folder given: ``make dashboards``."""

import json
import sys
from pathlib import Path
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueTextMode, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

Panel = timeseries.Panel | stat.Panel | bargauge.Panel
P = TypeVar("P", stat.Panel, bargauge.Panel)
SOURCE = DataSourceRef("prometheus", "${datasource}")
CHOSEN = 'workload=~"$workload"'


def runs_and_energy() -> dashboard.Dashboard:
    """What runs do, what they used beside what was predicted, and by who measured it (the ledger's exporter)."""
    board = _board("Runs and energy", "millrace-runs", "label_values(millrace_recent_runs, workload)")
    quiet = f"time() - millrace_run_last_progress_timestamp_seconds{{{CHOSEN}}}"
    panels = [
        _now("Ledger answers", ("millrace_ledger_up", "ledger")),
        _now(
            "Runs in flight",
            (f"count by (workload) (millrace_run_last_progress_timestamp_seconds{{{CHOSEN}}})", "{{workload}}"),
        ),
        _named("Gate's last verdict", (f"millrace_last_verdict_info{{{CHOSEN}}}", "{{workload}}: {{outcome}}")),
        _named(
            "Live version, since",
            (f"1000 * millrace_live_version_promoted_timestamp_seconds{{{CHOSEN}}}", "{{workload}} {{version}}"),
        )
        .unit("dateTimeAsIso")
        .text_mode(BigValueTextMode.VALUE_AND_NAME),
        _stacked("Runs of seven days, by state", (f"sum by (state) (millrace_recent_runs{{{CHOSEN}}})", "{{state}}")),
        _over_time(
            "Since a run last ended so",
            "s",
            (f"time() - millrace_last_run_end_timestamp_seconds{{{CHOSEN}}}", "{{workload}} {{state}}"),
        ),
        _over_time("Since a run in flight committed a step", "s", (quiet, "{{workload}} {{run_id}}")),
        _over_time(
            "… over what its plan gives all of them",
            "percentunit",
            (f"({quiet}) / millrace_run_predicted_seconds{{{CHOSEN}}}", "{{workload}} {{run_id}}"),
        ),
        *(
            _over_time(f"Last whole run: {title}", unit, *_both(name))
            for name, title, unit in (
                ("seconds", "time", "s"),
                ("joules", "energy", "joule"),
                ("peak_memory_bytes", "memory of training", "bytes"),
            )
        ),
        _over_time(
            "Measured over predicted, less one",
            "percentunit",
            *(
                (
                    f"millrace_last_run_measured_{name}{{{CHOSEN}}} / millrace_last_run_predicted_{name} - 1",
                    f"{{{{workload}}}} {title}",
                )
                for name, title in (("seconds", "time"), ("joules", "energy"), ("peak_memory_bytes", "memory"))
            ),
        ),
        _stacked(
            "Joules of seven days' runs, by who measured them",
            (f"sum by (energy_method) (millrace_recent_run_joules{{{CHOSEN}}})", "{{energy_method}}"),
        ).unit("joule"),
        _over_time(
            "Share of their time that energy sensors saw",
            "percentunit",
            (
                f"millrace_recent_run_sensor_seconds{{{CHOSEN}}} / millrace_recent_run_seconds",
                "{{workload}}",
            ),
        )
        .min(0)
        .max(1),
        _bars(
            "Budgets: share that is taken",
            (f"millrace_budget_spent_ratio{{{CHOSEN}}}", "{{workload}} {{budget}}"),
        )
        .unit("percentunit")
        .min(0)
        .max(1),
    ]
    return _filled(board, panels)


def serving() -> dashboard.Dashboard:
    """How each version answers, and the share of a canary (the model servers' own metrics)."""
    board = _board("Serving", "millrace-serving", "label_values(millrace_version_loaded, workload)")
    by_version = "sum by (workload, version)"
    rate = f"{by_version} (rate(millrace_requests_total{{{CHOSEN}}}[$__rate_interval]))"
    version = "{{workload}} {{version}}"
    panels = [
        _named(
            "Versions in memory, on how many servers",
            (f"count by (workload, version) (millrace_version_loaded{{{CHOSEN}}})", version),
        ).text_mode(BigValueTextMode.VALUE_AND_NAME),
        _now(
            "Canaries that servers took away, 24 hours",
            (f"sum by (workload) (increase(millrace_reverts_total{{{CHOSEN}}}[24h]))", "{{workload}}"),
        ).decimals(0),
        _stacked("Requests a second", (rate, version)).unit("reqps"),
        _over_time(
            "Share of the workload's requests",
            "percentunit",
            (
                f"{rate} / on (workload) group_left () "
                f"sum by (workload) (rate(millrace_requests_total{{{CHOSEN}}}[$__rate_interval]))",
                version,
            ),
        )
        .min(0)
        .max(1),
        _over_time(
            "Requests that erred or ran out of time",
            "percentunit",
            (
                f'{by_version} (rate(millrace_requests_total{{{CHOSEN}, outcome!="ok"}}[$__rate_interval])) / {rate}',
                version,
            ),
        ).min(0),
        *(
            _over_time(
                f"Own time of {share} of the requests at most",
                "s",
                (
                    f"histogram_quantile({quantile}, sum by (workload, version, le) "
                    f"(rate(millrace_request_seconds_bucket{{{CHOSEN}}}[$__rate_interval])))",
                    version,
                ),
            )
            for quantile, share in ((0.5, "half"), (0.99, "99 %"))
        ),
        _over_time("Requests received and not yet answered", "short", ("millrace_requests_in_flight", "{{instance}}")),
        _over_time(
            "Requests refused, a second",
            "reqps",
            ("sum by (status) (rate(millrace_refused_requests_total[$__rate_interval]))", "{{status}}"),
        ),
    ]
    return _filled(board, panels)


def _board(title: str, uid: str, workloads: str) -> dashboard.Dashboard:
    chosen = dashboard.QueryVariable("workload").query(workloads).datasource(SOURCE)
    chosen = chosen.multi(True).include_all(True).all_value(".*").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    sources = dashboard.DatasourceVariable("datasource").type("prometheus")
    board = dashboard.Dashboard(f"Millrace: {title}").uid(uid).tags(["millrace"]).refresh("30s").time("now-24h", "now")
    return board.timezone("browser").readonly().with_variable(sources).with_variable(chosen)


def _filled(board: dashboard.Dashboard, panels: list[Panel]) -> dashboard.Dashboard:
    for number, panel in enumerate(panels, 1):
        board.with_panel(panel.id(number).datasource(SOURCE))
    return board


def _over_time(title: str, unit: str, *queries: tuple[str, str]) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).unit(unit).span(12).height(8)
    for letter, (expression, legend) in zip("ABC", queries, strict=False):
        panel.with_target(prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend).range())
    return panel


def _stacked(title: str, query: tuple[str, str]) -> timeseries.Panel:
    return _over_time(title, "short", query).fill_opacity(40).stacking(StackingConfig().mode(StackingMode.NORMAL))


def _now(title: str, query: tuple[str, str]) -> stat.Panel:
    return _newest(stat.Panel(), title, query).height(4)


def _named(title: str, query: tuple[str, str]) -> stat.Panel:
    return _now(title, query).text_mode(BigValueTextMode.NAME)


def _bars(title: str, query: tuple[str, str]) -> bargauge.Panel:
    return _newest(bargauge.Panel(), title, query).height(8)


def _newest(panel: P, title: str, query: tuple[str, str]) -> P:
    expression, legend = query
    target = prometheus.Dataquery().ref_id("A").expr(expression).legend_format(legend).instant()
    last = ReduceDataOptions().calcs(["lastNotNull"])
    return panel.title(title).no_value("none").span(12).reduce_options(last).with_target(target)


def _both(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    measured, predicted = (f"millrace_last_run_{kind}_{name}{{{CHOSEN}}}" for kind in ("measured", "predicted"))
    return (measured, "{{workload}} measured"), (predicted, "{{workload}} predicted")


def main(folder: Path) -> None:
    """One file a dashboard."""
    for name, board in (("runs_and_energy", runs_and_energy()), ("serving", serving())):
        text = json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
