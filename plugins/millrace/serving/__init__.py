"""Judging a candidate and rolling it out, seen from the orchestrator: files and HTTP, no model in memory."""
