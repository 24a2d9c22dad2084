"""Airflow DAGs for the tests of tasks that are ended in Airflow: the tabular workload, twice."""

from datetime import timedelta

from machine_faults import workload

from millrace.pipeline import build_dag

dag = build_dag(workload("machine_stopped"))
# long enough for a training to begin, on a machine that does other things as well
hasty = build_dag(workload("machine_hasty").model_copy(update={"step_timeout": timedelta(seconds=90)}))
