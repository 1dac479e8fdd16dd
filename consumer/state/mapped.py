"""Words in a file mapped into memory: what a kill -9 leaves behind is what was last written.

Belongs here: finding out whether the file is ours, and room on the disk before it is written. Does not: what the words
mean. The kernel owns the pages, so they outlive the process; after a crash of the machine nobody knows which of them
reached the disk, so the file of an earlier boot is begun anew.
"""

from __future__ import annotations

import mmap
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consumer.telemetry.logs import get_logger

HEAD_WORDS = 64
"""Of the file, before the caller's: magic, version, how many words follow, boot (2), key, checksum of these."""
_MAGIC = int.from_bytes(b"vpcflow\0", "little")
_MAGIC_AT, _VERSION_AT, _SIZE_AT, _BOOT_AT, _KEY_AT, _CHECK_AT = 0, 1, 2, 3, 5, 6
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = get_logger("state")


class MappedWords:
    """`words`: uint64[size], zero where nothing was written. `was_kept`: they are what an earlier process left.

    `key`: random, made with the file, so that a companion file can name it.
    """

    def __init__(self, path: Path, version: int, size: int, boot: bytes | None = None) -> None:
        """Raises OSError when the folder cannot be written. A file that is not what it should be is set aside."""
        self.path = path
        boot_words = np.frombuffer((boot if boot is not None else boot_id()).ljust(16, b"\0")[:16], dtype=np.uint64)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.was_kept = path.exists() and self._is_usable(version, size, boot_words)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        bytes_count = 8 * (HEAD_WORDS + size)
        try:
            if not self.was_kept:
                os.ftruncate(self._descriptor, 0)
                os.ftruncate(self._descriptor, bytes_count)
                os.posix_fallocate(self._descriptor, 0, 8 * HEAD_WORDS)
            self._map = mmap.mmap(self._descriptor, bytes_count)
        except BaseException:
            os.close(self._descriptor)
            raise
        everything: NDArray[np.uint64] = np.frombuffer(self._map, dtype=np.uint64)
        self._head, self.words = everything[:HEAD_WORDS], everything[HEAD_WORDS:]
        if not self.was_kept:
            key = np.frombuffer(os.urandom(8), dtype=np.uint64)[0]
            self._head[:_CHECK_AT] = (_MAGIC, version, size, *boot_words, key)
            self._head[_CHECK_AT] = _checksum(self._head)

    @property
    def key(self) -> str:
        return f"{int(self._head[_KEY_AT]):016x}"

    def reserve(self, count: int) -> bool:
        """Have disk for the first `count` words; false when it is full. Writing without would end the process."""
        try:
            os.posix_fallocate(self._descriptor, 0, 8 * (HEAD_WORDS + count))
        except OSError as error:
            log.warning("no room for what is remembered", file=str(self.path), reason=error.strerror)
            return False
        return True

    def begin_anew(self, reason: str) -> MappedWords:
        """A fresh file in place of this one, which is kept aside, because its content contradicts itself."""
        self.close()
        self._set_aside(reason)
        boot = self._head[_BOOT_AT : _BOOT_AT + 2].tobytes()
        return MappedWords(self.path, int(self._head[_VERSION_AT]), len(self.words), boot)

    def close(self) -> None:
        """Give the file back; the arrays must not be used any more (the mapping ends with the last of them)."""
        os.close(self._descriptor)

    def _is_usable(self, version: int, size: int, boot: NDArray[np.uint64]) -> bool:
        """Whether the file may be gone on with; if not, it is out of the way and it was said why."""
        content = self.path.open("rb").read(8 * HEAD_WORDS)
        if len(content) < 8 * HEAD_WORDS:
            return self._set_aside("it is too short")
        head = np.frombuffer(content, dtype=np.uint64)
        if head[_MAGIC_AT] != _MAGIC or head[_CHECK_AT] != _checksum(head):
            return self._set_aside("its head is damaged")
        if head[_VERSION_AT] != version:
            return self._begin_anew(f"it has layout {head[_VERSION_AT]}, this program's is {version}")
        if head[_SIZE_AT] != size:
            return self._begin_anew("its size in the settings has changed")
        if self.path.stat().st_size != 8 * (HEAD_WORDS + size):
            return self._set_aside("it was cut")
        if not any(boot) or any(head[_BOOT_AT : _BOOT_AT + 2] != boot):
            return self._begin_anew("the machine was started anew since")
        return True

    def _set_aside(self, reason: str) -> bool:
        aside = self.path.with_name(self.path.name + ".corrupt")
        log.error("a file of the state folder is damaged, begun anew", file=str(aside), reason=reason)
        self.path.replace(aside)
        return False

    def _begin_anew(self, reason: str) -> bool:
        log.info("a file of the state folder is begun anew", file=str(self.path), reason=reason)
        return False


def boot_id() -> bytes:
    """16 bytes that differ between two boots of the machine; zeros when it does not say."""
    try:
        return bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def _checksum(head: NDArray[np.uint64]) -> int:
    return zlib.crc32(head[:_CHECK_AT].tobytes()) | 1 << 32
