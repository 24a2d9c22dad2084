"""Metering of a step's resource use and energy, from named sensors or a labelled estimate."""
