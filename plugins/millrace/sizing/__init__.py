"""Predicts what a run takes, before it starts: time, memory, energy and money, from formulas."""
