"""Trainers: model families by name."""
