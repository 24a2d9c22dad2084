"""What Airflow is told of the pages, and what that costs its other processes."""

import subprocess
import sys

from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

from millrace.pages.entry import EXTERNAL_VIEWS


def test_views_fit_airflow_and_stand_behind_a_sub_path() -> None:
    views = [ExternalViewResponse.model_validate(each) for each in EXTERNAL_VIEWS]
    assert {view.destination for view in views} == {"nav", "dag", "dag_run"}
    assert len({view.url_route for view in views}) == len(views)
    for view in views:
        assert view.href.startswith("millrace/"), "an address from the root would miss the sub-path"


def test_a_process_that_answers_no_request_does_not_import_the_api() -> None:
    program = "import sys, millrace.pages.entry; sys.exit('fastapi' in sys.modules or 'pygal' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
