"""Pages in Airflow's UI (runs, models, plans, site, audit), rendered on the server and shown in frames."""
