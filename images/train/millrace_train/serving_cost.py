"""Measurement of an exported model's cost for each request: seconds, memory and joules, in a separate process."""

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice

import numpy as np

from millrace.contracts.measurement import Hardware
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import ServingCost
from millrace.energy.meter import Meter
from millrace.scoring.scorer import Scorer

_UNTIMED_REQUESTS = 5

Request = Mapping[str, object]


def measure_serving(model: ModelVersion, rows: Sequence[Request], requests: int, hardware: Hardware) -> ServingCost:
    """Score ``requests`` requests of one row each, cycling through ``rows``.

    A fresh process loads the version, so that peak memory covers only the model and its runtime. Joules are those of
    all requests, by the meter's method, divided by their number. Raises what `Scorer.load` raises, and OSError if
    the system does not report a process's memory.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, model, list(rows), requests, hardware).result()


def _measure(model: ModelVersion, rows: list[Request], requests: int, hardware: Hardware) -> ServingCost:
    scorer = Scorer.load(model)
    for row in islice(cycle(rows), _UNTIMED_REQUESTS):
        _ask(scorer, row)
    with Meter(hardware) as meter:
        seconds = [_ask(scorer, row) for row in islice(cycle(rows), requests)]
        reading = meter.reading()
    if reading.peak_memory_bytes is None:
        raise OSError("this system does not say how much memory a process holds")
    return ServingCost(
        requests=requests,
        p50_latency_seconds=float(np.percentile(seconds, 50)),
        p99_latency_seconds=float(np.percentile(seconds, 99)),
        joules_per_request=None if reading.joules is None else reading.joules / requests,
        energy_method=reading.energy_method,
        peak_memory_bytes=reading.peak_memory_bytes,
    )


def _ask(scorer: Scorer, row: Request) -> float:
    began = time.perf_counter()
    scorer.decide(scorer.probabilities({name: [value] for name, value in row.items()}))
    return time.perf_counter() - began
