"""The secrets of a server, from the files that its pod mounts, followed while it serves."""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace.contracts.errors import BadInputError
from millrace.contracts.run_spec import ServeTask

log = logging.getLogger("millrace")

CERTIFICATE, KEY, TOKEN = "tls.crt", "tls.key", "token"
LOOK_SECONDS = 5.0


@dataclass
class Secrets:
    """Paths of the certificate and its key, and the token as it is now; None for what is off.

    What is rotated in the folder is taken within five seconds: the next handshake has the new certificate, the next
    request takes the new token alone. Files that do not fit each other, or are missing, change nothing.
    """

    certificate: str | None = None
    key: str | None = None
    token: str | None = None
    folder: Path = Path()
    _seen: str = ""

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
        found = cls(
            certificate=str(folder / CERTIFICATE) if task.tls else None,
            key=str(folder / KEY) if task.tls else None,
            token=(folder / TOKEN).read_text().strip() if task.token else None,
            folder=folder,
        )
        found._seen = found._digest()
        return found

    async def follow(self, context: Callable[[], ssl.SSLContext | None]) -> None:
        """Look for as long as the server runs; ``context`` is what its handshakes use.

        In the event loop, whose handshakes read the context: no other thread may change it meanwhile.
        """
        while self.certificate is not None or self.token is not None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look(context())
            except (OSError, ValueError) as error:  # an SSLError is an OSError
                log.error("rotated secrets are not taken, those of before stay: %s", error)

    def look(self, context: ssl.SSLContext | None) -> None:
        """Take what has changed. Raises OSError or ValueError where it cannot be taken."""
        digest = self._digest()
        if digest == self._seen:
            return
        token = (self.folder / TOKEN).read_text().strip() if self.token is not None else None
        if token == "":
            raise ValueError("the token is empty")
        if self.certificate is not None and context is not None:
            # a certificate without its key would leave the context with neither
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
            context.load_cert_chain(self.certificate, self.key)
        self.token, self._seen = token, digest
        log.info("the secrets were rotated, and are taken")

    def _digest(self) -> str:
        names = [CERTIFICATE, KEY] if self.certificate is not None else []
        names += [TOKEN] if self.token is not None else []
        # no secret is held here once more
        return hashlib.sha256(b"\0".join((self.folder / name).read_bytes() for name in names)).hexdigest()


NO_SECRETS = Secrets()
