"""Meters: what a step used, from named sensors or a stated estimate."""
