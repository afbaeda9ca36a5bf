"""The extension's file: where it lies, how DuckDB loads it, and its C interface (src/tensor/interface.rs)."""
from __future__ import annotations

import ctypes
import functools
import os
import pathlib
from importlib import metadata
from typing import Any

import duckdb

try:
    __version__ = metadata.version("geoquilt")
except metadata.PackageNotFoundError:  # from a checkout
    __version__ = "0"

#: The version of the C interface that this package speaks.
INTERFACE = 1


class Error(RuntimeError):
    """What geoquilt says is wrong, and what would work."""


def extension_path() -> str:
    """The path of the extension's file: the one inside this package, unless GEOQUILT_EXTENSION names another."""
    given = os.environ.get("GEOQUILT_EXTENSION")
    path = pathlib.Path(given) if given else pathlib.Path(__file__).parent / "geoquilt.duckdb_extension"
    if not path.is_file():
        raise Error(f'"{path}" is not there: install the wheel, or name the file in GEOQUILT_EXTENSION')
    return str(path.resolve())


def load(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Loads geoquilt into a connection, which must allow unsigned extensions, and gives that back."""
    con.execute("LOAD '{}'".format(extension_path().replace("'", "''")))
    return con


def connect(database: str | os.PathLike[str] = ":memory:", read_only: bool = False, config: dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
    """``duckdb.connect`` with geoquilt loaded."""
    config = {"allow_unsigned_extensions": "true", **(config or {})}
    return load(duckdb.connect(os.fspath(database), read_only=read_only, config=config))


class CSchema(ctypes.Structure):
    """``struct ArrowSchema``."""


class CArray(ctypes.Structure):
    """``struct ArrowArray``."""


class CStream(ctypes.Structure):
    """``struct ArrowArrayStream``."""


_released = ctypes.CFUNCTYPE
CSchema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p), ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(CSchema))), ("dictionary", ctypes.POINTER(CSchema)), ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(CSchema))),
    ("private_data", ctypes.c_void_p),
]
CArray._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64), ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)), ("children", ctypes.POINTER(ctypes.POINTER(CArray))), ("dictionary", ctypes.POINTER(CArray)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(CArray))), ("private_data", ctypes.c_void_p),
]
CStream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(CStream), ctypes.POINTER(CSchema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(CStream), ctypes.POINTER(CArray))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(CStream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(CStream))), ("private_data", ctypes.c_void_p),
]

_process = None


def _forked() -> None:
    global _process
    _process = "forked" if _process else None


os.register_at_fork(after_in_child=_forked)


@functools.cache
def _opened() -> ctypes.CDLL:
    path = extension_path()
    library = ctypes.CDLL(path)
    library.geoquilt_interface.restype = ctypes.c_uint32
    version = library.geoquilt_interface()
    if version != INTERFACE:
        raise Error(f'"{path}" speaks version {version} of the interface, and this package version {INTERFACE}: install both from one wheel')
    text = ctypes.POINTER(ctypes.c_void_p)
    library.geoquilt_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), text]
    library.geoquilt_batches.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.POINTER(CStream), text]
    library.geoquilt_wait.argtypes = [ctypes.POINTER(CStream), ctypes.c_uint32]
    library.geoquilt_close.argtypes = [ctypes.c_void_p]
    library.geoquilt_close.restype = None
    library.geoquilt_free.argtypes = [ctypes.c_void_p]
    library.geoquilt_free.restype = None
    return library


def library() -> ctypes.CDLL:
    """The extension's file as a library: the very one that DuckDB loads, so that both share one block cache."""
    global _process
    if _process == "forked":
        raise Error(
            'this process was forked from one in which geoquilt reads\nStart workers afresh: DataLoader(..., multiprocessing_context="spawn"), '
            'or multiprocessing.set_start_method("spawn"); num_workers=0 is the fast way, since decoding has its own threads')
    _process = "own"
    return _opened()


def call(function: str, *arguments: Any) -> None:
    """Calls a function of the interface whose last argument takes an error."""
    error = ctypes.c_void_p()
    if getattr(library(), function)(*arguments, ctypes.byref(error)):
        words = ctypes.string_at(error.value).decode() if error.value else "it does not say why"
        library().geoquilt_free(error)
        raise Error(words)
