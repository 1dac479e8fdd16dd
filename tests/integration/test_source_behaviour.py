"""The behaviour that every source must show, shown by each on its own real parts."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from consumer.clock import SystemClock
from consumer.model.delivery import Delivery
from consumer.sources.base import Process, Source
from consumer.sources.files import FileSource
from tests.support.emulated_estate import MotoServer
from tests.support.flow_bucket import HEADER, FlowBucket, ReadingAgent, key, lines, packed
from tests.support.source_behaviour import SourceBehaviour, Subject


def numbers_of_text(delivery: Delivery) -> list[int]:
    rows = (row for payload in delivery.payloads for row in payload.splitlines())
    return [int(row.split()[9]) for row in rows if not row.startswith(b"version")]


class S3Subject:
    """One object of several chunks, announced by a queue."""

    keeps_position = True

    def __init__(self, bucket: FlowBucket, folder: Path, endpoint: str) -> None:
        self._bucket, self._folder, self._endpoint = bucket, folder, endpoint

    def put(self, start: int, count: int) -> None:
        self._bucket.put(key(start), packed(start, count))

    def source(self) -> Source:
        return ReadingAgent(self._bucket, self._folder, self._endpoint).source()

    def numbers(self, delivery: Delivery) -> list[int]:
        return numbers_of_text(delivery)

    def is_settled(self) -> bool:
        return self._bucket.is_drained()


class TestS3(SourceBehaviour):
    @pytest.fixture
    def subject(self, moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        return S3Subject(FlowBucket(moto.endpoint), tmp_path, moto.endpoint)


class FileSubject:
    """A file; nothing remembers how far it was read, so another run reads it from its beginning."""

    keeps_position = False

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(HEADER)

    def put(self, start: int, count: int) -> None:
        with self._file.open("ab") as handle:
            handle.write(lines(start, count))

    def source(self) -> Source:
        return _Files(self._file)

    def numbers(self, delivery: Delivery) -> list[int]:
        return numbers_of_text(delivery)

    def is_settled(self) -> bool:
        return True


class _Files:
    """FileSource as a Source: its `process` may return anything."""

    name = "files"

    def __init__(self, file: Path) -> None:
        self._source = FileSource([str(file)], SystemClock())

    def run(self, process: Process, stop: threading.Event) -> None:
        def export(delivery: Delivery) -> None:
            process(delivery)

        self._source.run(export, stop)


class TestFiles(SourceBehaviour):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return FileSubject(tmp_path / "flow.log")
