"""Stand-in modules for Airflow while a DAG file is checked, because importing Airflow takes seconds."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGES = Path(__file__).parents[3]
_REPLACED = ("airflow", "millrace")
_REAL = ("millrace.contracts", "millrace.cli.check")


class StandIn:
    """Stand-in for any object of Airflow: it can be called, entered and subclassed, and has every attribute."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __getattr__(self, name: str) -> "StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> "StandIn":
        """Return itself for any arguments."""
        return self

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (StandIn,)

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __getitem__(self, _: object) -> "StandIn":
        return self

    def _with_another(self, _: object) -> "StandIn":
        return self

    __or__ = __ror__ = __and__ = __rshift__ = __rrshift__ = __lshift__ = __rlshift__ = __add__ = _with_another


class _Module(ModuleType):
    """Module and package that has every name that is imported from it."""

    __path__: list[str] = []  # noqa: RUF012 - a module's own attribute

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn()


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None: ...


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "millrace" or not _stands_in(fullname) or not _exists(fullname):
            return None
        return ModuleSpec(fullname, _Loader(), is_package=True)


@contextmanager
def standing_in(pipeline: dict[str, Callable[..., Any] | StandIn]) -> Iterator[None]:
    """Context manager: ``airflow`` and ``millrace``, except its contracts and this check, are stand-ins, and
    ``millrace.pipeline`` has only the given names. ``sys.modules`` is restored at the end.
    """
    before = dict(sys.modules)
    attributes = vars(sys.modules["millrace"])
    attributes_before = dict(attributes)
    for name in before:
        if name != "millrace" and _stands_in(name):
            del sys.modules[name]
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    module = ModuleType("millrace.pipeline")
    vars(module).update(pipeline)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - set(before):
            if isinstance(sys.modules[name], _Module) or not _is_library(sys.modules[name]):
                del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if _stands_in(name)})
        for name in [name for name, value in attributes.items() if isinstance(value, _Module)]:
            del attributes[name]
        attributes.update(attributes_before)


def _stands_in(name: str) -> bool:
    return name.split(".")[0] in _REPLACED and not any(name == real or name.startswith(f"{real}.") for real in _REAL)


def _exists(name: str) -> bool:
    """Return whether this Millrace module exists; every Airflow module is assumed to exist."""
    path = _PACKAGES.joinpath(*name.split("."))
    return name.startswith("airflow") or path.is_dir() or path.with_suffix(".py").exists()


def _is_library(module: ModuleType) -> bool:
    """Return whether a module is installed. One beside a DAG file is not: for the next file it may be another one."""
    file = getattr(module, "__file__", None)
    return file is None or module.__name__.startswith("millrace.") or "lib/python" in file
