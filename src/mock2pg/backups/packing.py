"""gzip and zstd, as streams: little memory however long the stream, and however well it was packed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import zstandard

from mock2pg.backups.checksums import Damaged, Sink, Source

_BLOCK = 1 << 18


_MAGIC = {"zstd": zstandard.FRAME_HEADER, "gzip": b"\x1f\x8b\x08"}


class Packed:
    """A sink that packs what is written to it."""

    def __init__(self, out: Sink, compression: str) -> None:
        self._out, self._compression = out, compression
        self._packer = self._begun()

    def _begun(self) -> Any:
        if self._compression == "zstd":
            return zstandard.ZstdCompressor(level=1).compressobj()
        return zlib.compressobj(level=1, wbits=31)

    def part(self) -> None:
        """Begin a part that can be unpacked without the ones before it; together they unpack as one."""
        self._out.write(self._packer.flush())
        self._packer = self._begun()

    def write(self, block: bytes, /) -> None:
        self._out.write(self._packer.compress(block))

    def close(self) -> None:
        self._out.write(self._packer.flush())
        self._out.close()


class Unpacked:
    """A packed source, unpacked. Reading raises Damaged when it is not valid."""

    def __init__(self, source: Source, compression: str) -> None:
        self._source: Any = (
            zstandard.ZstdDecompressor().stream_reader(cast(Any, source), read_size=_BLOCK, read_across_frames=True)
            if compression == "zstd"
            else gzip.GzipFile(fileobj=cast(Any, source))
        )

    def read(self, size: int, /) -> bytes:
        try:
            return cast(bytes, self._source.read(size))
        except (zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
            raise Damaged("is damaged: it cannot be unpacked") from None
        except EOFError:
            raise Damaged("is truncated: it cannot be unpacked completely") from None


def last_parts(packed: bytes, compression: str, limit: int) -> Iterator[bytes]:
    """Yield what each place from the end on unpacks to that may be the beginning of a part; at most `limit` bytes."""
    at = len(packed)
    while (at := packed.rfind(_MAGIC[compression], 0, at)) >= 0:
        with suppress(zlib.error, zstandard.ZstdError):
            if compression == "zstd":
                yield zstandard.ZstdDecompressor().stream_reader(packed[at:], read_across_frames=True).read(limit)
            else:
                yield zlib.decompressobj(wbits=31).decompress(packed[at:], limit)
