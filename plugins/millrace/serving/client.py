"""Client of the Open Inference Protocol v2: sends rows of features, returns probabilities and labels."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from millrace.contracts.errors import BadInputError, TransientError
from millrace.storage import files

Row = Mapping[str, object]
Lost = Literal["refused", "dropped", "untrusted"]

# a server that cannot be reached for this long counts as lost
PATIENCE_SECONDS = 30.0
# a rotated secret reaches a server's pod at the kubelet's next synchronization
ROTATION_SECONDS = 150.0
_PAUSE_SECONDS = 0.2
_ROTATION_PAUSE_SECONDS = 2.0


class RequestFailedError(TransientError):
    """A request without a valid answer. ``status`` is the HTTP status, or None without an answer.

    ``lost`` is the reason for no answer: "refused" (no connection), "dropped" (the connection was closed), "untrusted"
    (the server's certificate was not verified), or None (such as a timeout).
    """

    def __init__(self, what: str, *, where: str, status: int | None, lost: Lost | None = None) -> None:
        super().__init__(
            what, where=where, rule="a request is answered with 200", remedy="read the server's log and its status file"
        )
        self.status = status
        self.lost = lost

    @property
    def is_out_of_reach(self) -> bool:
        """Whether the request reached no model: no connection, HTTP 503 (no version or capacity), or 429 (too many)."""
        unasked = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)
        return self.lost == "refused" or self.status in unasked

    @property
    def is_stale(self) -> bool:
        """Whether client and server have different secrets, for example after a rotation: no trust, or HTTP 401."""
        return self.lost == "untrusted" or self.status == httpx.codes.UNAUTHORIZED


@dataclass(frozen=True)
class Answer:
    """Answer to one request: the version that gave it, and for each row all probabilities and the labels with scores.

    Labels are ordered by score, the highest first.
    """

    model_version: str
    probabilities: tuple[tuple[float, ...], ...]
    labels: tuple[tuple[tuple[str, float], ...], ...]


@dataclass(frozen=True)
class Access:
    """What a client needs for a server with TLS and a token: certificate authority (PEM), server name and token."""

    ca: str | None = None
    server_name: str | None = None
    token: str | None = field(default=None, repr=False)


class InferenceClient:
    """Client of one model at one address. A request that reached a model is not repeated: its failure counts.

    ``access`` has the secrets for a server with TLS and a token; ``renew`` reads them again after a rotation.
    """

    def __init__(
        self,
        address: str,
        model: str,
        timeout_seconds: float = 60.0,
        access: Access | None = None,
        renew: Callable[[], Access] | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._renew = renew
        self._take(access or Access())

    def _take(self, access: Access) -> None:
        self._http = httpx.Client(timeout=self._timeout_seconds, trust_env=False, verify=_trusting(access.ca))
        if access.token:
            self._http.headers["Authorization"] = f"Bearer {access.token}"
        self._extensions = {"sni_hostname": access.server_name} if access.server_name else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ready(self) -> bool:
        """Return whether the server has loaded its stable version; False also without an answer."""
        try:
            path = f"{self._address}/v2/health/ready"
            return self._http.get(path, extensions=self._extensions).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def versions(self) -> list[str]:
        """Return the versions that the server has loaded. Raises RequestFailedError, with status 503 if it has none."""
        where = f"{self._address}/v2/models/{self._model}"
        try:
            response = self._http.get(where, extensions=self._extensions)
        except httpx.HTTPError as error:
            what = f"no answer: {type(error).__name__}: {error}"
            raise RequestFailedError(what, where=where, status=None, lost=_lost(error)) from error
        try:
            named = response.json()["versions"] if response.status_code == httpx.codes.OK else None
        except (KeyError, TypeError, ValueError):
            named = None
        if not isinstance(named, list):
            raise RequestFailedError(
                f"answered with {response.status_code}: {_message(response)}", where=where, status=response.status_code
            )
        return [str(version)[:100] for version in named]

    def infer(self, rows: Sequence[Row], version: str | None = None) -> Answer:
        """Send one request for these rows, to the given version or to the version that the server chooses.

        Raises RequestFailedError, also if a version other than the given one answered: a verdict on a version counts
        only its own answers.
        """
        path = f"/v2/models/{self._model}" + (f"/versions/{version}" if version else "") + "/infer"
        try:
            response = self._http.post(self._address + path, json=request_body(rows), extensions=self._extensions)
        except httpx.HTTPError as error:
            what = f"no answer: {type(error).__name__}: {error}"
            raise RequestFailedError(what, where=self._address + path, status=None, lost=_lost(error)) from error
        if response.status_code != httpx.codes.OK:
            raise RequestFailedError(
                f"answered with {response.status_code}: {_message(response)}",
                where=self._address + path,
                status=response.status_code,
            )
        try:
            answer = _answer(response.json())
        except (KeyError, TypeError, ValueError) as error:
            raise RequestFailedError(
                f"the answer is not the protocol's: {type(error).__name__}", where=self._address + path, status=200
            ) from error
        if version is not None and answer.model_version != version:
            raise RequestFailedError(
                f"version {answer.model_version[:100]!r} answered", where=self._address + path, status=200
            )
        return answer

    def infer_patiently(
        self, rows: Sequence[Row], version: str | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> Answer:
        """Call ``infer``, repeated while no model is reached: the server starts, or closed a kept connection (once).

        If the secrets differ, they are read again by ``renew`` and the request is repeated for up to 150 s, until
        servers have read them, too. Raises RequestFailedError; if no model was reached, after ``patience_seconds``.
        """
        deadline, dropped = time.monotonic() + patience_seconds, 0
        rotated_by = time.monotonic() + ROTATION_SECONDS
        while True:
            try:
                return self.infer(rows, version)
            except RequestFailedError as error:
                if error.is_stale and self._renew is not None and time.monotonic() < rotated_by:
                    self._http.close()
                    self._take(self._renew())
                    time.sleep(_ROTATION_PAUSE_SECONDS)
                    continue
                dropped += error.lost == "dropped"
                if not error.is_out_of_reach and not (error.lost == "dropped" and dropped == 1):
                    raise
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)


def _lost(error: httpx.HTTPError) -> Lost | None:
    """Return how a request was lost; None for other errors, such as a read timeout, which counts as the model's."""
    if _untrusted(error):
        return "untrusted"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "refused"
    return "dropped" if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError) else None


def _untrusted(error: BaseException | None) -> bool:
    """Return whether certificate verification failed; httpx reports it as a general connection error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


@lru_cache(maxsize=16)
def _trusting(ca: str | None) -> ssl.SSLContext:
    """Return the TLS context for an authority, cached: creating it takes longer than a request."""
    return ssl.create_default_context(cadata=ca) if ca else httpx.create_ssl_context(trust_env=False)


def request_body(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the JSON body for rows of features: one tensor per feature, its datatype derived from the values.

    Raises BadInputError if there are no rows, rows differ in their features, or a value is no text, number or bool.
    """
    if not rows or any(set(row) != set(rows[0]) for row in rows):
        raise BadInputError(
            "rows without features, or with different ones",
            where="the rows to be sent",
            rule="every row has the same features",
            remedy="write the replay file again",
        )
    return {"inputs": [_tensor(feature, [row[feature] for row in rows]) for feature in rows[0]]}


def read_replay(uri: str, max_rows: int = 500) -> list[dict[str, object]]:
    """Read the first rows of a replay file (JSON Lines: one row's features per line).

    Raises BadInputError, with the line number of an invalid line, or if the file has no rows.
    """
    rows: list[dict[str, object]] = []
    for number, line in enumerate(_lines(uri), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not row:
            raise BadInputError(
                "a line is no JSON object with features",
                where=f"{uri}, line {number}",
                rule="JSON Lines, a row's features a line",
                remedy="run the evaluation again",
            )
        rows.append(row)
        if len(rows) == max_rows:
            return rows
    if not rows:
        raise BadInputError(
            "there are no rows to replay", where=uri, rule="at least one row", remedy="run the evaluation again"
        )
    return rows


def _lines(uri: str) -> Iterator[bytes]:
    rest = b""
    for piece in files.chunks(uri):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest


def _tensor(feature: str, values: list[object]) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    for datatype, allowed in (("BYTES", {str}), ("BOOL", {bool}), ("INT64", {int}), ("FP64", {int, float})):
        if kinds <= allowed:
            return {"name": feature, "shape": [len(values)], "datatype": datatype, "data": values}
    raise BadInputError(
        f"values of types {sorted(kind.__name__ for kind in kinds)}",
        where=f"feature {feature!r}",
        rule="text, numbers or truth values, and complete",
        remedy="write the replay file again",
    )


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (KeyError, TypeError, ValueError):
        return response.text[:200]


def _answer(body: dict[str, Any]) -> Answer:
    tensors = {output["name"]: output for output in body["outputs"]}
    rows, labels = tensors["probabilities"]["shape"]
    flat = [float(value) for value in tensors["probabilities"]["data"]]
    return Answer(
        model_version=str(body["model_version"]),
        probabilities=tuple(tuple(flat[row * labels : (row + 1) * labels]) for row in range(rows)),
        labels=tuple(
            tuple((str(each["label"]), float(each["score"])) for each in json.loads(row))
            for row in tensors["labels"]["data"]
        ),
    )
