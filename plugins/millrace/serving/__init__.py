"""Judge a candidate and roll it out, from Airflow's side: by files and HTTP, without a model in memory."""
