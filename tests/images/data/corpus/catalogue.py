"""All themes of the corpus."""

from importlib import import_module

from tests.images.data.corpus.case import Case

THEMES = (
    "quoting", "line_ends", "headers", "encodings", "dialects", "spark_written", "labels", "integers", "numbers",
    "moments", "json_objects", "bounds", "duplicates", "containers", "parquet_types", "parquet_files",
)  # fmt: skip
CASES: list[tuple[str, Case]] = [
    (theme, case) for theme in THEMES for case in import_module(f"tests.images.data.corpus.themes.{theme}").CASES
]
