"""The corpus's own modules are imported by these tests: `from corpus.case import Case`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
