"""``python -m matrix.fork_server SOCKET MODULE…``: imports an environment's modules, and forks when asked.

Importing TensorFlow or Great Expectations takes longer than the steps of a small model. A forked step is a process in a
session of its own, with the descriptors, folder and variables that it would have been started with.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 0.02
_MAX_FDS = 8
_REQUEST_BYTES = 1 << 20


def main(path: str, modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        listener.settimeout(_LOOK_SECONDS)
        parent = os.getppid()
        children: dict[int, socket.socket] = {}
        while os.getppid() == parent:
            _reap(children)
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            pid = _fork(client, [listener, *children.values()])
            client.sendall(f"{pid}\n".encode())
            children[pid] = client


def _fork(client: socket.socket, others: list[socket.socket]) -> int:
    data, fds, _, _ = socket.recv_fds(client, _REQUEST_BYTES, _MAX_FDS)
    pid = os.fork()
    if pid == 0:
        for other in (client, *others):
            other.close()
        _become(json.loads(data), fds)
    for fd in fds:
        os.close(fd)
    return pid


def _become(request: dict[str, Any], fds: list[int]) -> None:
    code = 1
    try:
        os.setsid()
        output, *_kept = fds  # what else was given is inherited, as the step's lock is
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
        os.chdir(request["cwd"])
        os.environ.update(request["env"])
        _arm()
        sys.argv = [request["module"], *request["argv"]]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _arm() -> None:
    from matrix.arming import arm_named

    arm_named()


def _reap(children: dict[int, socket.socket]) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            client = children.pop(pid)
            with client, contextlib.suppress(OSError):  # who asked may be gone: an orphan has ended
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = time.monotonic()
    Path(sys.argv[1]).unlink(missing_ok=True)
    main(sys.argv[1], sys.argv[2:])
