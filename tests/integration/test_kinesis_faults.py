"""The reading half alone, with the real daemon: a shard is split, and an idle child dies."""

from __future__ import annotations

import pytest

from tests.integration.conftest import MakeEstate
from tests.support.estate import Reader, kill, wait_until

pytestmark = [pytest.mark.jvm, pytest.mark.timeout(900)]


def test_a_split_shard_is_finished_before_its_children_begin_and_an_idle_childs_death_is_noticed(
    make_estate: MakeEstate,
) -> None:
    estate = make_estate()
    before, after = ([f"{when} {number:03d}".encode() for number in range(100)] for when in ("before", "after"))
    with Reader(estate) as reader:
        estate.put(before)
        wait_until(lambda: len(reader.exported) >= 100, "the parent is read", 120)
        estate.client("kinesis").split_shard(
            StreamName=estate.stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 127)
        )
        wait_until(estate.is_active, "the stream is active", 120)
        estate.put(after)
        seconds = wait_until(lambda: len(reader.exported) >= 200, "the children are read", 120)
        print(f"\nrecords of the new shards {seconds:.1f} s after the split")
        assert estate.leases()["shardId-000000000000"] == "SHARD_END"
        assert reader.restarts == []
        wait_until(lambda: len(estate.children()) == 2, "the parent's child has ended", 60)
        an_idle_childs_death_is_noticed_without_a_record(reader, estate.children()[0])
    assert reader.payloads() == dict.fromkeys([*before, *after], 1)
    assert {shard for _, shard, payload in reader.exported if payload in after} == {
        "shardId-000000000001",
        "shardId-000000000002",
    }


def an_idle_childs_death_is_noticed_without_a_record(reader: Reader, child: int) -> None:
    kill(child)
    print(f"noticed after {wait_until(lambda: bool(reader.restarts), 'the death is noticed', 90):.2f} s")
    assert "died" in reader.restarts[0]
    before = sum(reader.calls.values())
    wait_until(lambda: sum(reader.calls.values()) > before + 3, "the shards are called again", 60)
