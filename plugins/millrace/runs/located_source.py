"""Fill the site's arrivals URI into the source that a workload declares."""

from millrace.contracts.data import Source
from millrace.contracts.workload import Workload
from millrace.storage import places


def located(workload: Workload, arrivals: str) -> Workload:
    """Return the workload with the site's arrivals URI in its source."""
    source = located_source(workload.dataset.source, arrivals)
    return workload.model_copy(update={"dataset": workload.dataset.model_copy(update={"source": source})})


def located_source(source: Source, arrivals: str) -> Source:
    """Return the source with ``{arrivals}`` replaced, in its marker too; allow this process to open their folders."""

    def placed(template: str) -> str:
        uri = template.replace("{arrivals}", arrivals.rstrip("/"))
        places.allow(uri.partition("{")[0].rpartition("/")[0])
        return uri

    marker = source.marker
    if marker is not None:
        marker = marker.model_copy(update={"uri_template": placed(marker.uri_template)})
    return source.model_copy(update={"uri_template": placed(source.uri_template), "marker": marker})
