"""The commands of docs/start/first-workload.md, line by line, from fresh clones on a busy machine.

python tests/bench/five_minutes.py --times 10 --busy 4
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

_REPOSITORY = Path(__file__).resolve().parents[2]
_HEADING = "## Your own data, in five minutes"
_END_SECONDS = 1200.0
_LOOK_SECONDS = 5.0
# where the environment names no others (PORT, MILLRACE_SERVING_PORT): two of these at once need different ones
_PORTS = {"PORT": "8190", "MILLRACE_SERVING_PORT": "9300"}
# what a shell has anyway, and where packages come from
_KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_KEPT_PREFIXES = ("PIP_", "UV_")


def main() -> int:
    """Print a line of JSON a time; 0 where every run succeeded and its model answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--busy", type=int, default=4, help="processes that keep the machine busy meanwhile")
    parser.add_argument("--seconds", type=float, default=6 * 3600, help="after which they end, whatever became of us")
    parser.add_argument("--commit", default="HEAD", help="of this repository")
    given = parser.parse_args()
    good = 0
    with _busy(given.busy, given.seconds):
        for number in range(1, given.times + 1):
            with tempfile.TemporaryDirectory(prefix="millrace-five-") as folder:
                found = five_minutes(Path(folder), given.commit)
            good += found["state"] == "success" and found["answered"]
            print(json.dumps({"bench": "five_minutes", "time": number, "of": given.times, **found}), flush=True)
    print(json.dumps({"bench": "five_minutes", "successes": good, "of": given.times}))
    return 0 if good == given.times else 1


def five_minutes(folder: Path, commit: str) -> dict[str, Any]:
    """What the page's commands lead to in a new clone with an empty home."""
    clone, home = folder / "millrace", folder / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "-q", str(_REPOSITORY), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "-q", _commit(commit)], check=True)
    environment = _environment(home)
    _shell("make setup", clone, environment)
    (clone / "yesterday.csv").write_text("\n".join(customers()) + "\n")
    *lines, last = workload_commands(clone / "docs" / "start" / "first-workload.md")
    began = time.monotonic()
    try:
        for line in lines:
            _shell(line, clone, environment)
        said = _await_end(last, clone, environment)
        took = time.monotonic() - began
        row = _summary(clone, environment)
        found = {"state": row["state"], "reason": row["reason"], "answered": _answers(clone), "said": said}
        return {**found, "seconds": round(took), "load": round(os.getloadavg()[0], 1)}
    finally:
        _shell("make down", clone, environment)


def workload_commands(page: Path) -> list[str]:
    """The commands of that part of the page, which is what people type."""
    part = page.read_text(encoding="utf-8").partition(_HEADING)[2].partition("\n## ")[0]
    block = re.search(r"^```bash\n(.+?)^```", part, re.MULTILINE | re.DOTALL)
    assert block, f"{_HEADING}: there are no commands"
    return [line.strip() for line in block[1].splitlines()]


def customers(rows: int = 2000) -> list[str]:
    """A day of customers, as the template's columns have them: who pays much for a short time leaves more often."""
    chance = random.Random(5)
    lines = ["id,amount,duration,label"]
    for number in range(rows):
        amount, duration = round(chance.gammavariate(3, 25), 2), round(chance.expovariate(1 / 24), 1)
        leaves = chance.random() < (0.75 if amount / 30 > duration / 12 else 0.12)
        lines.append(f"{100_000 + number},{amount},{duration},{'yes' if leaves else 'no'}")
    return lines


def _commit(name: str) -> str:
    asked = ["git", "-C", str(_REPOSITORY), "rev-parse", name]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key in _KEPT or key.startswith(_KEPT_PREFIXES)}
    cache = {"UV_CACHE_DIR": str(Path.home() / ".cache/uv"), "PIP_CACHE_DIR": str(Path.home() / ".cache/pip")}
    ports = {name: os.environ.get(name, usual) for name, usual in _PORTS.items()}
    return {**cache, **kept, **ports, "HOME": str(home)}


def _shell(line: str, clone: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", line], cwd=clone, env=environment, capture_output=True, text=True, timeout=_END_SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{line}: ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _await_end(last: str, clone: Path, environment: dict[str, str]) -> str:
    """Ask as people do, with the last line, until the run has ended."""
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        if _summary(clone, environment).get("state", "running") != "running":
            return _shell(last, clone, environment).strip()
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"no end within {_END_SECONDS:g} s: {_shell(last, clone, environment)}")


def _summary(clone: Path, environment: dict[str, str]) -> dict[str, Any]:
    program = (
        "import json; from millrace.settings import load_settings; rows = load_settings().ledger().run_summary(); "
        "print(json.dumps(next((row for row in rows if row['run_id'].startswith('backfill')), {})))"
    )
    asked = [str(clone / ".venv/bin/python"), "-c", program]
    done = subprocess.run(asked, cwd=clone, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _answers(clone: Path) -> bool:
    status = clone / ".millrace/store/serving/churn/status.json"
    if not status.exists():
        return False
    address = json.loads(status.read_text())["address"]
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [20.0]} for name in ("amount", "duration")]
    with contextlib.suppress(httpx.HTTPError):
        return httpx.post(f"{address}/v2/models/churn/infer", json={"inputs": tensors}, timeout=60).is_success
    return False


@contextlib.contextmanager
def _busy(count: int, seconds: float) -> Iterator[None]:
    """That many processes that only count; they end with the block, with us, or after that time."""
    spinning = [multiprocessing.Process(target=_spin, args=(os.getpid(), seconds), daemon=True) for _ in range(count)]
    for each in spinning:
        each.start()
    try:
        yield
    finally:
        for each in spinning:
            each.terminate()


def _spin(parent: int, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and os.getppid() == parent:
        for _ in range(1_000_000):
            pass


if __name__ == "__main__":
    sys.exit(main())
