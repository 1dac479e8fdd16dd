"""AWS's address ranges: the one we ship, a newer one, and what a damaged one costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest

from consumer.discovery.inventory.aws_ranges import (
    KEPT_NAME,
    fetch_ranges,
    kept_ranges,
    parse_ranges,
    ranges_problem,
    renew_ranges,
    shipped_ranges,
)


def content(*lines: tuple[str, str, str], created: str = "2030-01-02-03-04-05") -> bytes:
    return orjson.dumps(
        {
            "createDate": created,
            "prefixes": [
                {"ip_prefix": cidr, "service": service, "region": region, "network_border_group": region}
                for cidr, service, region in lines
                if ":" not in cidr
            ],
            "ipv6_prefixes": [
                {"ipv6_prefix": cidr, "service": service, "region": region}
                for cidr, service, region in lines
                if ":" in cidr
            ],
        }
    )


def said(*lines: tuple[str, str, str]) -> dict[str, str]:
    return {one.cidr: f"{one.service} {one.region}" for one in parse_ranges(content(*lines)).ranges}


def test_the_word_that_says_most_is_taken() -> None:
    assert said(
        ("3.5.0.0/19", "AMAZON", "us-east-1"),
        ("3.5.0.0/19", "S3", "us-east-1"),
        ("3.5.0.0/19", "EC2", "us-east-1"),
        ("2600:1f18::/36", "EC2", "us-east-1"),
    ) == {"3.5.0.0/19": "S3 us-east-1", "2600:1f18::/36": "EC2 us-east-1"}


def test_a_prefix_of_amazon_that_only_splits_a_services_one_is_left_out() -> None:
    assert said(
        ("3.0.0.0/8", "AMAZON", "us-east-1"),
        ("3.5.0.0/16", "S3", "us-east-1"),
        ("3.5.1.0/24", "AMAZON", "us-east-1"),
        ("3.5.2.0/24", "AMAZON", "eu-west-1"),
    ) == {"3.0.0.0/8": "AMAZON us-east-1", "3.5.0.0/16": "S3 us-east-1", "3.5.2.0/24": "AMAZON eu-west-1"}


@pytest.mark.parametrize("broken", [b"", b"<html>", b"{}", b'{"createDate": "today", "prefixes": []}'])
def test_something_else_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"not AWS's ip-ranges\.json"):
        parse_ranges(broken)


def test_the_shipped_file_names_services_of_every_kind() -> None:
    shipped = shipped_ranges()

    assert {"S3", "EC2", "CLOUDFRONT", "DYNAMODB", "AMAZON"} <= {one.service for one in shipped.ranges}
    assert {":" in one.cidr for one in shipped.ranges} == {True, False}
    assert shipped.created_at > 1_600_000_000


@pytest.fixture
def url() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = content(("3.5.0.0/19", "S3", "us-east-1")) if self.path == "/new" else b"<html>"
            self.send_response(200)
            if self.path == "/cut":
                self.send_header("Transfer-Encoding", "chunked")
                body = b"ffff\r\n{"
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_fetched_file_is_used_when_it_is_newer(url: str, tmp_path: Path) -> None:
    fetch_ranges(f"{url}/new", tmp_path / "state")

    assert [one.service for one in kept_ranges(tmp_path / "state").ranges] == ["S3"]
    (tmp_path / "state" / KEPT_NAME).write_bytes(content(created="2001-01-01-00-00-00"))
    assert kept_ranges(tmp_path / "state") == shipped_ranges()


def test_a_page_that_is_something_else_leaves_what_we_have(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not AWS's"):
        fetch_ranges(f"{url}/other", tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert kept_ranges(tmp_path) == shipped_ranges()


def test_a_damaged_kept_file_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / KEPT_NAME).write_bytes(b"{")

    assert kept_ranges(tmp_path) == shipped_ranges()
    assert "not used" in "".join(capsys.readouterr())


def test_a_newer_file_is_fetched_once_a_day_whoever_asks(url: str, tmp_path: Path) -> None:
    kept = tmp_path / KEPT_NAME
    renew_ranges(f"{url}/new", tmp_path, 1_000_000.0)
    assert [one.service for one in kept_ranges(tmp_path).ranges] == ["S3"]

    os.truncate(kept, 0)
    os.utime(kept, (1_000_000.0, 1_000_000.0))
    renew_ranges(f"{url}/new", tmp_path, 1_000_000.0 + 86_399)
    assert kept.stat().st_size == 0, "it was fetched again"
    renew_ranges(f"{url}/new", tmp_path, 1_000_000.0 + 86_400)
    assert kept.stat().st_size > 0


def test_a_fetch_that_fails_is_said_and_tried_again_an_hour_later(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renew_ranges(f"{url}/other", tmp_path / "state", 1_000_000.0)
    assert "not AWS's ip-ranges.json" in ranges_problem(tmp_path / "state")
    assert "were not fetched" in "".join(capsys.readouterr())

    renew_ranges(f"{url}/new", tmp_path / "state", 1_000_000.0 + 3_599)
    assert kept_ranges(tmp_path / "state") == shipped_ranges()
    renew_ranges(f"{url}/new", tmp_path / "state", 1_000_000.0 + 3_600)
    assert [one.service for one in kept_ranges(tmp_path / "state").ranges] == ["S3"]
    assert ranges_problem(tmp_path / "state") == ""


@pytest.mark.parametrize("page", ["cut", "with a space"])
def test_an_answer_that_breaks_off_or_a_url_that_is_none_is_a_fetch_that_failed(
    page: str, url: str, tmp_path: Path
) -> None:
    renew_ranges(f"{url}/{page}", tmp_path, 1_000_000.0)

    assert ranges_problem(tmp_path) != ""
    assert kept_ranges(tmp_path) == shipped_ranges()


def test_a_folder_that_cannot_be_written_is_no_error(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    renew_ranges(f"{url}/new", tmp_path / "file" / "state", 1_000_000.0)
    assert ranges_problem(tmp_path / "file" / "state") == ""
