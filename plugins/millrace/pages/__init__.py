"""Pages in Airflow's UI: runs, models, plans and the site, rendered here and shown in frames."""
