"""gzip and zstd, as streams: little memory however long the stream, and however well it was packed."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, cast

import zstandard

from mock2pg.backups.checksums import Damaged, Sink, Source

_BLOCK = 1 << 16


class Packed:
    """A sink that packs what is written to it."""

    def __init__(self, out: Sink, compression: str) -> None:
        self._out = out
        self._packer: Any = (
            zstandard.ZstdCompressor(level=1).compressobj()
            if compression == "zstd"
            else zlib.compressobj(level=1, wbits=31)
        )

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
            raise Damaged("is cut short: it cannot be unpacked to its end") from None
