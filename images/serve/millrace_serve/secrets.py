"""The secrets of a server, from the files that its pod mounts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace.contracts.errors import BadInputError
from millrace.contracts.run_spec import ServeTask

CERTIFICATE, KEY, TOKEN = "tls.crt", "tls.key", "token"


@dataclass(frozen=True)
class Secrets:
    """Paths of the certificate and its key, and the token itself; None for what is off."""

    certificate: str | None = None
    key: str | None = None
    token: str | None = None

    @classmethod
    def read(cls, task: ServeTask) -> Self:
        """What the task asks for. Raises BadInputError for a file that is missing or empty."""
        folder = Path(task.secrets_folder or "")
        wanted = [*((CERTIFICATE, KEY) if task.tls else ()), *((TOKEN,) if task.token else ())]
        for name in wanted:
            if not task.secrets_folder or not (folder / name).is_file() or not (folder / name).stat().st_size:
                raise BadInputError(
                    f"there is no {name}",
                    where=str(folder),
                    rule="TLS needs tls.crt and tls.key, a bearer token needs token",
                    remedy="put them into the serving secret, or turn TLS or the token off",
                )
        return cls(
            certificate=str(folder / CERTIFICATE) if task.tls else None,
            key=str(folder / KEY) if task.tls else None,
            token=(folder / TOKEN).read_text().strip() if task.token else None,
        )


NO_SECRETS = Secrets()
