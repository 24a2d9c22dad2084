"""Launchers of steps: as a process on this machine, a pod, a worker group of pods, or a Spark application."""
