"""Starts fork_servers and asks them for processes, in place of ``subprocess.Popen``."""

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

WARM = "FAULT_ZYGOTES"
STEP_POINT = "FAULT_STEP_POINT"
_START_SECONDS = 180
_MODULES = {
    "data": ("millrace_data.ingest", "millrace_data.validate"),
    "train": ("millrace_train.train", "millrace_train.export", "millrace_train.evaluate", "keras", "tf2onnx", "onnx"),
    "serve": ("matrix.quick_server", "millrace_serve.rest", "onnxruntime"),
    "airflow": ("airflow.sdk", "millrace.pipeline", "millrace.orchestration.operators.gate"),
}
_MODULES["train"] += ("onnxruntime", "sklearn.linear_model", "sklearn.multiclass", "deltalake")


class ForkServers:
    """A fork server of each environment in ``folder``; their sockets are ``folder/NAME``."""

    def __init__(self, repository: Path, folder: Path, names: Sequence[str] = ("data", "train", "airflow")) -> None:
        self._folder, self._names = folder, names
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in names:
            modules = _MODULES[name]
            python = repository / (".venv" if name == "airflow" else f".venvs/{name}") / "bin/python"
            path = [repository / "plugins", repository / "tests/faults"]
            path += [repository / "images" / name] if name != "airflow" else []
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "KERAS_BACKEND": "tensorflow"}
            environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
            with (folder / f"{name}.log").open("wb") as output:
                command = [str(python), "-m", "matrix.fork_server", str(folder / name), *modules]
                self._processes.append(
                    subprocess.Popen(
                        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
                    )
                )
        self._await_all()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _await_all(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        for name, process in zip(self._names, self._processes, strict=True):
            while not (self._folder / name).exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"no fork_server {name}: {(self._folder / f'{name}.log').read_text()}")
                time.sleep(0.05)


class WarmProcess:
    """What the launcher needs of a Popen."""

    def __init__(
        self, fork_server: Path, module: str, argv: Sequence[str], cwd: Path, env: Mapping[str, str], fds: Sequence[int]
    ) -> None:
        self._asked = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._asked.connect(str(fork_server))
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        request = {"module": module, "argv": list(argv), "cwd": str(cwd), "env": dict(env)}
        socket.send_fds(self._asked, [json.dumps(request).encode()], list(fds))
        self._answers = self._asked.makefile("r")
        self.pid = int(self._answers.readline())
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None and select.select([self._asked], [], [], 0)[0]:
            line = self._answers.readline()
            self._code = int(line) if line else -9
        return self._code

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
            time.sleep(0.01)
        self._asked.close()
        assert self._code is not None
        return self._code


def popen(argv: list[str], **options: Any) -> Any:
    """``subprocess.Popen`` as the launcher calls it: warm with a fork server, and with the step's point armed."""
    point = json.loads(os.environ.get(STEP_POINT, "{}"))
    environment = {**options["env"], **point}
    image = argv[2].removeprefix("millrace_")
    fork_server = Path(os.environ[WARM]) / image if WARM in os.environ else None
    if fork_server is not None and fork_server.exists():
        output: IO[bytes] = options["stdout"]
        fds = (output.fileno(), *options["pass_fds"])
        return WarmProcess(fork_server, argv[2], argv[3:], options["cwd"], environment, fds)
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[1])
    return subprocess.Popen(argv, **{**options, "env": environment})
