-- PostgreSQL only: whom roles/application.sql gives its rights, until the transaction ends.
SELECT SET_CONFIG('millrace.application', :role, TRUE)
