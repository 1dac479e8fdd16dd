"""What discovery keeps on disk: believed only whole."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumer.aws.profiles import Profile
from consumer.aws.roles import Role, Target
from consumer.discovery import sealed_file
from consumer.discovery.estate.part_file import load_part, part_file, save_part
from consumer.discovery.estate.routes import (
    ElasticAddress,
    Endpoint,
    GatewayPeering,
    GatewayRoute,
    GatewaySide,
    GatewayTable,
    PrefixList,
    Route,
    RouteTable,
)
from consumer.discovery.estate.values import (
    Attachment,
    NatGateway,
    Part,
    Past,
    Peer,
    Peering,
    Subnet,
    TransitGateway,
    Vpc,
)
from consumer.discovery.inventory.snapshot_file import load_snapshot, save_snapshot
from consumer.discovery.plan.buckets import Bucket, Queue
from consumer.discovery.plan.survey import Consumer, LogGroup, Stream, Subscription, Survey
from consumer.discovery.plan.survey_file import load_survey, save_survey
from consumer.discovery.sealed_file import read_sealed, write_sealed
from consumer.enrich.join import Joiner
from consumer.model.inventory import Inventory, empty_inventory
from tests.support.flows import all_rows, flow_batch, interface, inventory_of
from tests.unit.discovery.plan.test_choosing import flow_log

WEB = interface("eni-web", "vpc-1", "10.0.0.1", "2600:1f18::1", name="web ü", prefixes=("10.0.1.16/28",), subnet_id="s")
PEER = Peer("vpc-1", "1", "r", ("10.0.0.0/16",))
PART = Part(
    "111111111111",
    "us-east-1",
    1234.5,
    vpcs=(Vpc("vpc-1", "shop", "111111111111", ("10.0.0.0/16",), True),),
    subnets=(Subnet("s", "a", "vpc-1", "use1-az1", ("10.0.0.0/24",), False),),
    interfaces=(replace(WEB, tags={"Name": "web", "owner": "ann"}),),
    nat_gateways=(NatGateway("nat-1", "nat", "vpc-1", "s", (), ("52.0.0.1",)),),
    peerings=(Peering("pcx-1", (PEER, replace(PEER, vpc_id="vpc-2"))),),
    flow_logs=(flow_log("1", error="Access error"),),
    transit_gateways=(TransitGateway("tgw-1", "hub", "1"),),
    attachments=(Attachment("tgw-attach-1", "", "tgw-1", "vpc", "vpc-1", "1", "available", "tgw-rtb-1"),),
    route_tables=(
        RouteTable(
            "rtb-1",
            "vpc-1",
            True,
            ("s",),
            (Route("0.0.0.0/0", "igw-1"), Route("pl-1", "")),
        ),
    ),
    endpoints=(Endpoint("vpce-1", "s3", "Gateway", "com.amazonaws.us-east-1.s3", "vpc-1", ()),),
    elastic_addresses=(ElasticAddress("eipalloc-1", "", "198.51.100.1", "", ""),),
    gateway_peerings=(GatewayPeering("p", (GatewaySide("tgw-1", "p", "1", "r"), GatewaySide("tgw-2", "p", "2", "s"))),),
    gateway_tables=(GatewayTable("tgw-rtb-1", "tgw-1", (GatewayRoute("10.0.0.0/8", ("tgw-attach-1",), True),)),),
    prefix_lists=(PrefixList("pl-1", ("3.5.0.0/19",)),),
    unread=frozenset({"instances"}),
    past=(Past(WEB, "old", 99.5),),
)


def test_a_part_comes_back_as_it_was(tmp_path: Path) -> None:
    save_part(PART, tmp_path / "part")

    assert load_part(tmp_path / "part") == PART


def test_parts_of_different_readers_lie_apart(tmp_path: Path) -> None:
    role = Role("arn:aws:iam::222222222222:role/x")
    accesses = (None, role, Role("arn:aws:iam::222222222222:role/y"), Profile("f", "a"), Profile("f", "b"))
    files = {
        part_file(tmp_path, Target(access, region)) for access in accesses for region in ("us-east-1", "eu-west-1")
    }

    assert len(files) == 10
    assert part_file(tmp_path, Target(role, "r")) == part_file(tmp_path, Target(Role(role.arn, "other-id"), "r"))


ROLE = Role("arn:aws:iam::222222222222:role/x", "external=secret")
GROUP = LogGroup("1", "r", "/flow", (Subscription("s", "arn:d", "arn:s", "", is_accounts=True),), "unread")
QUEUE = Queue("arn:q", "https://q", 3, "arn:dlq", "arn:topic", "AWSLogs/", ".gz")
SURVEY = Survey(
    {
        Target(None, "us-east-1"): replace(
            PART, located={"eni-1": ("s", "v"), "eni-2": ("", "v"), "eni-3": ("s", "v")}
        ),
        Target(ROLE, "eu-west-1"): replace(PART, account="222222222222", taken_at=99.0, flow_logs=(flow_log("2"),)),
    },
    (flow_log("1", error="Access error"), flow_log("2")),
    (GROUP,),
    (Stream("arn:s", "ACTIVE", "PROVISIONED", 2, 24, (Consumer("c", "ACTIVE"),)),),
    (Bucket("b", "r", "1", (QUEUE,), ("EventBridge",), is_read=False),),
    (),
)


def test_a_survey_comes_back_as_it_was_and_its_file_holds_no_external_id(tmp_path: Path) -> None:
    save_survey(SURVEY, "111111111111", tmp_path / "inventory" / "survey")
    kept = load_survey(tmp_path / "inventory" / "survey")

    assert kept is not None
    assert kept.survey([None, ROLE], ()) == SURVEY
    assert (kept.own_account, kept.taken_at) == ("111111111111", 1234.5)
    assert b"external=secret" not in (tmp_path / "inventory" / "survey").read_bytes()


def test_of_a_survey_only_places_that_are_still_to_be_asked_count(tmp_path: Path) -> None:
    save_survey(SURVEY, "111111111111", tmp_path / "survey")
    kept = load_survey(tmp_path / "survey")

    assert kept is not None
    assert [one.id for one in kept.survey([None], ()).flow_logs] == ["fl-1"]
    assert list(kept.survey([None, ROLE], {"eu-west-1"}).parts) == [Target(ROLE, "eu-west-1")]
    other = Role(ROLE.arn, "changed")
    assert Target(other, "eu-west-1") in kept.survey([other], ()).parts, "whoever is asked today, as it is asked today"


def test_a_survey_of_another_shape_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sealed(tmp_path / "survey", 3, 2, [b'{"own_account": "1"}'])

    assert load_survey(tmp_path / "survey") is None
    assert "what the last run found is not used" in "".join(capsys.readouterr())


def same(one: Inventory, other: Inventory) -> bool:
    """Whether both say the same, array by array."""
    arrays = [
        (mine, theirs)
        for table in ("interfaces", "endpoints")
        for kind in ("integers", "strings")
        for mine, theirs in zip(
            getattr(getattr(one, table), kind).values(), getattr(getattr(other, table), kind).values(), strict=True
        )
    ]
    arrays += [(one.addresses.slots, other.addresses.slots), (one.networks.lows, other.networks.lows)]
    arrays += [(one.networks.highs, other.networks.highs), (one.networks.values, other.networks.values)]
    arrays += [(one.networks.starts, other.networks.starts), (one.vpc_exporters, other.vpc_exporters)]
    arrays += [(one.views.lines, other.views.lines), (one.addresses.marks, other.addresses.marks)]
    arrays += [(one.history.rows, other.history.rows), (one.history.until, other.history.until)]
    return (
        all(mine.dtype == theirs.dtype and np.array_equal(mine, theirs) for mine, theirs in arrays)
        and tuple(one.interfaces.texts) == tuple(other.interfaces.texts)
        and dict(one.interface_rows) == dict(other.interface_rows)
        and dict(one.vpc_numbers) == dict(other.vpc_numbers)
        and (one.taken_at, one.addresses.bits, one.addresses.has_prefixes)
        == (other.taken_at, other.addresses.bits, other.addresses.has_prefixes)
    )


def test_a_snapshot_comes_back_as_it_was_and_names_records(tmp_path: Path) -> None:
    inventory = replace(inventory_of(PART, exporters={"vpc-1": 7}), taken_at=1234.5)
    save_snapshot(inventory, tmp_path / "snapshot")
    loaded = load_snapshot(tmp_path / "snapshot")

    assert loaded is not None
    assert same(loaded, inventory)
    batch = flow_batch([{"interface-id": "eni-web", "srcaddr": "10.0.0.1", "start": "200"}])
    joined = Joiner().join(batch, all_rows(batch), loaded)
    row = int(joined.words[0, joined.columns["source"].word])
    assert loaded.endpoints.text("name", row).decode() == "web ü"


def test_the_arrays_of_a_snapshot_are_the_kind_the_kernels_were_compiled_for(tmp_path: Path) -> None:
    save_snapshot(inventory_of(PART), tmp_path / "snapshot")
    loaded = load_snapshot(tmp_path / "snapshot")

    assert loaded is not None
    for array in (
        loaded.addresses.slots,
        loaded.networks.starts,
        loaded.networks.lows,
        loaded.networks.values,
        loaded.views.lines,
        loaded.history.until,
        loaded.vpc_exporters,
    ):
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.flags.aligned


def test_a_snapshot_of_nothing_comes_back(tmp_path: Path) -> None:
    nothing = inventory_of()
    save_snapshot(nothing, tmp_path / "snapshot")
    loaded = load_snapshot(tmp_path / "snapshot")

    assert loaded is not None
    assert same(loaded, nothing)
    assert empty_inventory().history.starts.tolist() == loaded.history.starts.tolist()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other", "stub"])
def test_a_damaged_file_is_set_aside_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    file = tmp_path / "snapshot"
    save_snapshot(inventory_of(PART), file)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut": whole[:-1],
            "flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "empty": b"",
            "other": b"something else entirely" * 10,
            "stub": whole[:20],
        }[damage]
    )

    assert load_snapshot(file) is None
    assert not file.exists()
    assert (tmp_path / "snapshot.corrupt").exists()
    assert "set aside" in "".join(capsys.readouterr())


def test_a_file_of_another_schema_is_neither_used_nor_destroyed(tmp_path: Path) -> None:
    file = tmp_path / "f"
    write_sealed(file, 1, 7, [b"content"])

    assert read_sealed(file, 1, 8) is None
    assert read_sealed(file.parent, 1, 7) is None
    assert file.parent.is_dir(), "what cannot be opened is not set aside"
    assert bytes(read_sealed(file, 1, 7) or b"") == b"content"


def test_the_thread_that_forgets_a_replaced_snapshot_does_not_free_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Callable[[], None]] = []
    monkeypatch.setattr(sealed_file, "in_background", lambda work, name: left.append(work))
    file = tmp_path / "snapshot"
    save_snapshot(inventory_of(PART), file)
    loaded = load_snapshot(file)
    file.unlink()
    assert loaded is not None
    slots = loaded.addresses.slots
    del loaded
    gc.collect()
    assert not left, "a part of it is in use"
    del slots
    assert is_held(file)

    (free,) = left
    free()

    assert not is_held(file)


def is_held(file: Path) -> bool:
    """Whether this process keeps the deleted file."""
    descriptors = Path("/proc/self/fd").iterdir()
    return f"{file} (deleted)" in {str(one.readlink()) for one in descriptors if os.path.lexists(one)}


def test_a_missing_file_is_nothing(tmp_path: Path) -> None:
    assert load_snapshot(tmp_path / "none") is None
    assert load_part(tmp_path / "none") is None
    assert load_survey(tmp_path / "none") is None


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    file = tmp_path / "f"
    write_sealed(file, 1, 1, [b"old"])

    with pytest.raises(TypeError):
        write_sealed(file, 1, 1, [b"new", "not bytes"])  # type: ignore[list-item]
    assert bytes(read_sealed(file, 1, 1) or b"") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
