"""Batches of tensors over rows: the C interface as Python has it."""
from __future__ import annotations

import ctypes
import hashlib
import html
import json
import os
import re
import weakref
from typing import Any, Iterator, Mapping

import duckdb
import numpy as np
import pyarrow as pa

from ._library import CArray, CSchema, CStream, Error, call, library
from ._order import Order, mixing
from ._reads import Read, read_patch

#: So long a wait goes on before Python looks at its signals, in milliseconds.
_WAIT = 50
#: Columns that the reads look for by themselves.
_ROLES = {"path", "paths", "win", "slice", "times", "options", "variable", "sel", "isel", "selection", "features"}
_NUMBERS = {b"c": "i1", b"C": "u1", b"s": "<i2", b"S": "<u2", b"i": "<i4", b"I": "<u4", b"l": "<i8", b"L": "<u8", b"f": "<f4", b"g": "<f8"}
_SETTINGS = ("memory_limit", "enable_external_access", "geoquilt_threads", "geoquilt_max_chunk_mb")


class _Held:
    """A batch's memory, for as long as anything looks at it."""

    def __init__(self) -> None:
        self.array = CArray()

    def __del__(self) -> None:
        if self.array.release:
            self.array.release(ctypes.byref(self.array))


class _Memory:
    """A part of a batch's memory, as NumPy asks for it."""

    def __init__(self, held: _Held, address: int, shape: tuple[int, ...], typestr: str) -> None:
        self._held = held
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": typestr, "data": (address or 0, False)}


class Batch(Mapping[str, Any]):
    """Tensors of some rows, by the names of their reads, and the rows' own columns.

    Tensors are writable NumPy arrays over the memory that the decoding threads wrote; ``torch.from_numpy`` and DLPack share it. ``NAME_mask`` is True where
    there is a pixel. A column of numbers or times is an array, any other an array of Python objects. ``row`` holds the rows' indices, ``rows`` their columns
    as Arrow has them, ``error`` with ``on_error="report"`` why a row could not be read.
    """

    def __init__(self, tensors: dict[str, np.ndarray], row: np.ndarray, errors: list[str | None] | None, table: pa.Table, repeated: np.ndarray | None) -> None:
        self.tensors, self.row, self._table, self._errors, self._repeated = tensors, row, table, errors, repeated
        self._columns: dict[str, Any] = {}

    @property
    def rows(self) -> pa.Table:
        """The rows' own columns."""
        return self._table.take(pa.array(self.row))

    def __getitem__(self, name: str) -> Any:
        if name in self.tensors:
            return self.tensors[name]
        if name == "error" and self._errors is not None:
            return np.array(self._errors, object)
        if name == "repeated" and self._repeated is not None:
            return self._repeated
        if name not in self._columns:
            if name not in self._table.column_names:
                raise KeyError(f'"{name}" is none of {", ".join(self)}')
            self._columns[name] = _values(self._table.column(name).take(pa.array(self.row)))
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.tensors
        if self._errors is not None:
            yield "error"
        if self._repeated is not None:
            yield "repeated"
        yield from (name for name in self._table.column_names if name not in self.tensors)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        tensors = ", ".join(f"{name}: {tensor.dtype} {list(tensor.shape)}" for name, tensor in self.tensors.items())
        return f"<geoquilt.Batch of {len(self.row)} rows; {tensors}; columns {', '.join(self._table.column_names)}>"


    def _repr_html_(self) -> str:
        """What a notebook shows: the tensors and the columns, without a pixel."""
        lines = [(name, f"{tensor.dtype} {list(tensor.shape)}") for name, tensor in self.tensors.items()]
        lines += [(name, str(self._table.schema.field(name).type)) for name in self._table.column_names if name not in self.tensors]
        cells = "".join(f"<tr><td><b>{html.escape(name)}</b></td><td style='text-align:left'>{html.escape(kind[:120])}</td></tr>" for name, kind in lines)
        return f"<p>Batch of {len(self.row)} rows</p><table>{cells}</table>"


def _values(column: pa.ChunkedArray) -> np.ndarray:
    kind = column.type
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind) and not pa.types.is_time(kind)
    if plain and not (column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind))):
        return column.to_numpy()
    values = np.empty(len(column), object)
    values[:] = column.to_pylist()
    return values


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The same type in the layout that the interface takes."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if kind in (pa.string_view(), pa.large_string()):
        return pa.string()
    if kind in (pa.binary_view(), pa.large_binary()):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    return kind


def _table(rows: Any, function: str = "batches") -> pa.Table:
    """Rows of any kind as a table of Arrow; errors name the function that was given them."""
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, duckdb.DuckDBPyRelation):
        try:
            table = rows.to_arrow_table()
        except duckdb.Error as error:
            raise Error(f"the rows could not be had: {error}") from error
        return table if isinstance(table, pa.Table) else table.read_all()
    if isinstance(rows, (str, os.PathLike)):
        import pyarrow.parquet

        path = os.fspath(rows)
        if not path.lower().endswith(".parquet"):
            raise Error(f'{function}(rows): "{path}" is not a Parquet file\nGive a .parquet path, a relation (con.table(...), con.sql(...)), a data frame or a table of Arrow')
        return pyarrow.parquet.read_table(path)
    if hasattr(rows, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(rows).read_all()
    raise Error(f"{function}(rows): a {type(rows).__name__} is no rows\nGive a relation (con.table(...), con.sql(...)), a data frame, a table or stream of Arrow, or a .parquet path")


def _bytes(size: str) -> int | None:
    """A size as DuckDB shows it: 12.5 GiB."""
    found = re.fullmatch(r"([\d.]+) (bytes|KiB|MiB|GiB|TiB)", str(size))
    return int(float(found[1]) * 1024 ** ["bytes", "KiB", "MiB", "GiB", "TiB"].index(found[2])) if found else None


def _settings(rows: Any) -> dict[str, Any]:
    """The bounds of the connection that a relation is of."""
    if not isinstance(rows, duckdb.DuckDBPyRelation):
        return {}
    for names in (_SETTINGS, _SETTINGS[:2]):
        try:
            asked = ", ".join(f"current_setting('{name}')" for name in names)
            found = dict(zip(names, rows.limit(0).aggregate(f"count(*), {asked}").fetchall()[0][1:]))
            break
        except duckdb.Error:
            # A connection without geoquilt has no such settings; one that is closed says so where the rows are asked for.
            found = {}
    if found.get("enable_external_access") in (False, "false"):
        raise Error("the rows' database forbids files: enable_external_access is false\nRead in a connection that allows them")
    limits = {"memory": _bytes(found.get("memory_limit", "")), "threads": found.get("geoquilt_threads")}
    if found.get("geoquilt_max_chunk_mb"):
        limits["max_chunk"] = int(found["geoquilt_max_chunk_mb"]) << 20
    return {key: int(value) for key, value in limits.items() if value}


def _closed(close: Any, reader: int) -> None:
    close(reader)


def _ended(stream: CStream) -> None:
    if stream.release:
        stream.release(ctypes.byref(stream))


class _Pass:
    """Batches under way."""

    def __init__(self, batches: "Batches", order: np.ndarray, repeated: np.ndarray | None, size: int, drop_last: bool) -> None:
        self._batches, self._repeated, self._order = batches, repeated, order
        order = np.ascontiguousarray(order, np.int64)
        self._stream = CStream()
        call("geoquilt_batches", batches._reader(), order.ctypes.data, len(order), size, int(drop_last), ctypes.byref(self._stream))
        # The workers end with the pass, whoever lets go of it, and when the program does.
        self.close = weakref.finalize(self, _ended, self._stream)
        self._layout: list[tuple[str, str, tuple[int, ...] | None]] | None = None
        #: Rows of the order that came, or were passed over.
        self.taken = 0

    def __iter__(self) -> "_Pass":
        return self

    def __next__(self) -> Batch:
        if not self.close.alive:
            raise StopIteration
        while not library().geoquilt_wait(ctypes.byref(self._stream), _WAIT):
            pass
        if self._layout is None:
            schema = CSchema()
            self._do(self._stream.get_schema(ctypes.byref(self._stream), ctypes.byref(schema)))
            self._layout = [_layout(schema.children[i].contents) for i in range(schema.n_children)]
            schema.release(ctypes.byref(schema))
        held = _Held()
        self._do(self._stream.get_next(ctypes.byref(self._stream), ctypes.byref(held.array)))
        if not held.array.release:
            self.close()
            raise StopIteration
        return self._batch(held)

    def _do(self, result: int) -> None:
        if result:
            words = self._stream.get_last_error(ctypes.byref(self._stream)).decode()
            self.close()
            raise Error(words)

    def _batch(self, held: _Held) -> Batch:
        count = held.array.length
        arrays, errors = {}, None
        for (name, typestr, shape), child in zip(self._layout, held.array.children[: held.array.n_children]):
            child = child.contents
            if typestr == "text":
                errors = _texts(child)
                continue
            if shape is None:  # padded: lists, and the shape of each
                items, sides = (child.children[i].contents.children[0].contents for i in range(2))
                ndim = sides.length // max(count, 1)
                shape = tuple((ctypes.c_int32 * ndim).from_address(sides.buffers[1]))
            else:
                items = child.children[0].contents if child.n_children else child
            values = np.asarray(_Memory(held, items.buffers[1], (count, *shape), typestr))
            arrays[name] = values.view(bool) if name.endswith("_mask") and typestr == "u1" else values
        row = arrays.pop("row")
        # Rows that were left out are passed over: the others come in their order.
        places = np.empty(len(row), np.int64)
        for i, number in enumerate(row):
            while self._order[self.taken] != number:
                self.taken += 1
            places[i] = self.taken
            self.taken += 1
        return Batch(arrays, row, errors, self._batches.table, None if self._repeated is None else self._repeated[places])


def _layout(schema: CSchema) -> tuple[str, str, tuple[int, ...] | None]:
    """A column's name, the type of its numbers, and its shape."""
    name, kind = schema.name.decode(), schema.format
    if kind == b"u":
        return name, "text", ()
    if kind == b"+s":
        return name, _NUMBERS[schema.children[0].contents.children[0].contents.format], None
    if kind.startswith(b"+w:"):
        return name, _NUMBERS[schema.children[0].contents.format], tuple(_marks(schema.metadata)["shape"])
    return name, _NUMBERS[kind], ()


def _marks(address: int) -> dict[str, Any]:
    """What a tensor's column notes of itself."""
    at = address

    def number() -> int:
        nonlocal at
        at += 4
        return ctypes.c_int32.from_address(at - 4).value

    marks = {}
    for _ in range(number()):
        pair = []
        for _ in range(2):
            length = number()
            pair.append(ctypes.string_at(at, length).decode())
            at += length
        marks[pair[0]] = pair[1]
    return json.loads(marks["ARROW:extension:metadata"])


def _texts(array: CArray) -> list[str | None]:
    valid, ends, text = (array.buffers[i] for i in range(3))
    ends = (ctypes.c_int32 * (array.length + 1)).from_address(ends)
    there = lambda i: ctypes.c_uint8.from_address(valid + i // 8).value >> i % 8 & 1  # noqa: E731
    return [ctypes.string_at(text + ends[i], ends[i + 1] - ends[i]).decode() if there(i) else None for i in range(array.length)]


class Batches:
    """Batches over rows: each loop over it is a pass, in the order of its epoch. :func:`batches` makes one."""

    def __init__(self, rows: Any, reads: Mapping[str, Read], order: Order, options: dict[str, Any]) -> None:
        order.check()
        self._order, self._options = order, options
        self._reads = dict(reads)
        self._limits = {**_settings(rows), **{key: value for key, value in options.items() if value is not None}}
        self.table = _table(rows)
        self._epoch = self._position = 0
        self._open: int | None = None
        self._reader()

    def _reader(self) -> int:
        if self._open is None:
            spec = {"reads": [read.spec(name) for name, read in self._reads.items()], **self._limits}
            rows = self._read_columns()
            stream = CStream()
            pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())._export_to_c(ctypes.addressof(stream))
            reader = ctypes.c_void_p()
            call("geoquilt_open", ctypes.addressof(stream), json.dumps(spec).encode(), ctypes.byref(reader))
            self._open = reader.value
            weakref.finalize(self, _closed, library().geoquilt_close, self._open)
        return self._open

    def _read_columns(self) -> pa.Table:
        """The columns that reads look at, in the layout that the interface takes."""
        named = {column.lower() for read in self._reads.values() for column in read.columns.values()} | _ROLES
        own = self.table.select([name for name in dict.fromkeys(self.table.column_names) if name.lower() in named])
        # A registry that names its files path serves reads that ask for paths, and the other way round.
        return own.cast(pa.schema([field.with_type(_plain_type(field.type)) for field in own.schema]))

    def _files(self) -> np.ndarray:
        """A number for each row's file."""
        wanted = next((column for read in self._reads.values() for role, column in read.columns.items() if role in ("path", "paths", "features")), "path")
        names = {name.lower(): name for name in self.table.column_names}
        found = next((names[name] for name in (wanted.lower(), "path", "paths", "features") if name in names), None)
        if found is None or not len(self.table):
            return np.zeros(len(self.table), np.int64)
        column = self.table.column(found)
        if pa.types.is_nested(column.type):
            column = pa.chunked_array([pa.array([json.dumps(value, default=str) for value in column.to_pylist()], pa.string())])
        return column.cast(_plain_type(column.type)).combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)

    def _rows(self) -> tuple[np.ndarray, np.ndarray | None]:
        files = self._files() if self._order.shuffle == "blocks" else np.zeros(len(self.table), np.int64)
        rows, repeated = self._order.rows(files, self._epoch)
        return rows, repeated if self._order.world_size > 1 and self._order.even == "pad" else None

    @property
    def epoch(self) -> int:
        """The epoch of the next pass; each has a shuffle of its own."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next pass, which begins at its first batch."""
        self._epoch, self._position = int(epoch), 0

    def mixing(self) -> float:
        """How well this epoch's batches are mixed: 1 as if all rows were shuffled, 0 where each batch is of one file."""
        return mixing(self._files(), self._rows()[0], self._order.size)

    def __len__(self) -> int:
        """Batches of a pass, from its beginning."""
        rows = len(self._rows()[0])
        return rows // self._order.size if self._order.drop_last else -(-rows // self._order.size)

    def __iter__(self) -> Iterator[Batch]:
        return self._iterate(0, 1)

    def _iterate(self, worker: int, workers: int) -> Iterator[Batch]:
        """The batches of one of several workers, which take them in turn."""
        size, begun = self._order.size, self._position
        rows, repeated = self._rows()
        starts = np.arange(begun * size, len(rows), size)[worker::workers]
        if self._order.drop_last:
            starts = starts[starts + size <= len(rows)]
        places = (starts[:, None] + np.arange(size)).ravel()
        places = places[places < len(rows)]
        under_way = _Pass(self, rows[places], None if repeated is None else repeated[places], size, False)
        try:
            for batch in under_way:
                self._position = begun + -(-under_way.taken // size) * workers
                yield batch
            self._position, self._epoch = 0, self._epoch + 1
        finally:
            under_way.close()

    def read(self, rows: Any) -> Batch:
        """The batch of some rows, by their indices, in one piece."""
        order = np.asarray(rows, np.int64).reshape(-1)
        under_way = _Pass(self, order, None, max(len(order), 1), False)
        try:
            return next(under_way)
        finally:
            under_way.close()

    def state_dict(self) -> dict[str, Any]:
        """Where the pass is: what :meth:`load_state_dict` goes on from, in this process or another one."""
        return {"version": 1, "epoch": self._epoch, "position": self._position, "rows": self._digest(), "order": dict(vars(self._order))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on behind the last batch that was taken; rows or an order other than those are refused."""
        if state["rows"] != self._digest():
            raise Error("the rows are not those that the state was saved with: files or windows changed\nBegin anew, or give the rows of then")
        if state["order"] != vars(self._order):
            other = [f"{key} was {state['order'].get(key)!r} and is {value!r}" for key, value in vars(self._order).items() if state["order"].get(key) != value]
            raise Error(f"the order is not the one that the state was saved with: {', '.join(other)}")
        self._epoch, self._position = int(state["epoch"]), int(state["position"])

    def _digest(self) -> str:
        rows = self._read_columns()
        digest = hashlib.sha256(json.dumps([read.spec(name) for name, read in self._reads.items()], sort_keys=True).encode())
        for name, column in zip(rows.column_names, rows.columns):
            digest.update(name.encode())
            for chunk in range(0, len(column), 65536):
                digest.update(repr(column.slice(chunk, 65536).to_pylist()).encode())
        return digest.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"<geoquilt.Batches over {len(self.table)} rows, {self._order.size} a batch; {', '.join(self._reads)}>"


def batches(
    rows: Any, size: int = 32, reads: Read | Mapping[str, Read] | None = None, *, drop_last: bool = False, pad: bool = False, on_error: str = "fail",
    shuffle: str | None = None, seed: int = 0, held: int = 8, rank: int = 0, world_size: int = 1, even: str = "drop", prefetch_mb: int | None = None,
    threads: int | None = None, memory_mb: int | None = None, **options: Any,
) -> Batches:
    """Batches of tensors over rows, each pixel written once, by the thread that decodes it, into the memory that you get.

    ``rows`` is a relation of DuckDB, a table or a stream of Arrow, a data frame, or the path of a Parquet file. ``reads`` says what is read of each: one
    read, or several by name; without it ``read_patch`` of the columns ``path`` and ``win``, as ``data``, with ``options`` (``bands=[1]``, ``dtype=``,
    ``fill=``, ``mask=True``).

    Rows of other shapes are an error that names them, unless ``pad=True``, which lays them into the corner of the largest and marks their pixels in
    ``NAME_mask``. ``on_error`` is SQL's: ``"fail"``, ``"skip"`` (the batch is that much shorter) or ``"report"`` (no pixel, and ``batch["error"]``).
    The last batch is short unless ``drop_last``.

    ``shuffle`` is None, ``"blocks"`` (files in random order, ``held`` of them at a time, their rows mixed) or ``"global"``; ``seed`` and the epoch decide.
    ``rank`` of ``world_size`` gets its share, as many batches as every other: ``even="drop"`` leaves the tail out, ``"pad"`` repeats rows and marks them in
    ``batch["repeated"]``.

    Batches wait for you up to ``prefetch_mb``. Threads and memory are those of the relation's connection, unless given.
    """
    if reads is None:
        reads = read_patch(**options)
    elif options:
        raise TypeError(f"batches({next(iter(options))}): options stand in each read where reads are given")
    if isinstance(reads, Read):
        reads = {"data": reads}
    order = Order(int(size), bool(drop_last), shuffle, int(seed), int(held), int(rank), int(world_size), even)
    limits = {
        "pad": bool(pad), "on_error": on_error, "threads": threads, "memory": None if memory_mb is None else memory_mb << 20,
        "prefetch": None if prefetch_mb is None else prefetch_mb << 20,
    }
    return Batches(rows, reads, order, limits)
