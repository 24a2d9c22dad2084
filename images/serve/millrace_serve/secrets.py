"""Secrets of a model server, read from the files that its pod mounts and reloaded when they are rotated."""

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
    """Paths of the TLS certificate and its key, and the current bearer token; None for what is not enabled.

    Rotated files take effect within about five seconds: the next TLS handshake uses the new certificate, and the next
    request needs the new token. If the files do not match each other, or one is missing, the old secrets stay.
    """

    certificate: str | None = None
    key: str | None = None
    token: str | None = None
    folder: Path = Path()
    _seen: str = ""

    @classmethod
    def read(cls, task: ServeTask) -> Self:
        """Read the secrets that the task enables. Raises BadInputError if a file is missing or empty."""
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
        """Reload rotated files until cancelled; ``context`` returns the SSL context of the server's handshakes.

        It runs in the event loop: its handshakes use the SSL context, so no other thread may change it.
        """
        while self.certificate is not None or self.token is not None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look(context())
            except (OSError, ValueError) as error:  # an SSLError is an OSError
                log.error("rotated secrets are not taken, those of before stay: %s", error)

    def look(self, context: ssl.SSLContext | None) -> None:
        """Reload the files if they changed. Raises OSError or ValueError if the new ones cannot be used."""
        digest = self._digest()
        if digest == self._seen:
            return
        token = (self.folder / TOKEN).read_text().strip() if self.token is not None else None
        if token == "":
            raise ValueError("the token is empty")
        if self.certificate is not None and context is not None:
            # test on a new context: a certificate without its key would leave the server's with neither
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
            context.load_cert_chain(self.certificate, self.key)
        self.token, self._seen = token, digest
        log.info("the secrets were rotated, and are taken")

    def _digest(self) -> str:
        names = [CERTIFICATE, KEY] if self.certificate is not None else []
        names += [TOKEN] if self.token is not None else []
        # keep a digest, so that no second copy of a secret stays in memory
        return hashlib.sha256(b"\0".join((self.folder / name).read_bytes() for name in names)).hexdigest()


NO_SECRETS = Secrets()
