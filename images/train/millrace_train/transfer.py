"""Local files to wherever a step's outputs go."""

from pathlib import Path

from pyarrow import fs

from millrace.storage import files


def put_file(path: Path, uri: str) -> None:
    """Copy a local file to a URI, streamed. Raises files.no_room's errors."""
    system, target = files.locate(uri)
    try:
        if isinstance(system, fs.LocalFileSystem):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, system.open_output_stream(target) as sink:
            while piece := source.read(1 << 20):
                sink.write(piece)
    except OSError as error:
        raise files.no_room(uri, error) from error
