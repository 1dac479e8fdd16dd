"""The user's own names of networks: what is read, and what is refused with the line it stands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.discovery.inventory.own_names import NameBook, NamedNetwork, read_names
from consumer.discovery.inventory.zones import network

TOML = """
# offices
[[networks]]
cidr = "10.50.0.0/16"
site = "Berlin"

[[networks]]
cidr = "192.0.2.7"
name = "partner"
tags = { team = "net", tier = "1" }
vpc = "vpc-1"
account = "111111111111"
"""


def test_toml_and_csv_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "b.csv").write_text('cidr,site,name,tags\n2001:db8::/32,"Bonn, Germany",,x\n')
    found = read_names([str(tmp_path / "a.toml"), str(tmp_path / "b.csv")])

    assert found.faults == ()
    assert found.names == (
        NamedNetwork("10.50.0.0/16", site="Berlin"),
        NamedNetwork("192.0.2.7/32", "partner", "", "team=net tier=1", "vpc-1", "111111111111"),
        NamedNetwork("2001:db8::/32", site="Bonn, Germany", tags="x"),
    )


def test_a_spreadsheets_csv_is_read(tmp_path: Path) -> None:
    text = '\ufeffCIDR , Site,name\r\n10.0.0.0/8,"Köln, ""Süd""\r\nHaus 2"\r\n,,\r\n\r\n'
    (tmp_path / "names.CSV").write_bytes(text.encode())

    assert read_names([str(tmp_path / "names.CSV")]).names == (NamedNetwork("10.0.0.0/8", site='Köln, "Süd" Haus 2'),)


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("a.toml", '[[networks]]\ncidr = "10.0.0.0/8"\nsite = "x"\n\n[[networks]]\ncidr = "10.0.0.1/8"\nsite = "y"\n',
         "line 5", "host bits"),
        ("a.toml", '[[networks]]\ncidr = "10.0.0.0/8"\nsit = "x"\n', "line 1", "sit"),
        ("a.toml", '[[networks]]\ncidr = "10.0.0.0/8"\n', "line 1", "says nothing"),
        ("a.toml", '[[networks]]\ncidr = "10.0.0.0/8"\nname = 7\n', "line 1", "not a text"),
        ("a.toml", "[[networks]\n", "a.toml", "not TOML"),
        ("a.toml", 'site = "x"\n', "a.toml", "something else"),
        ("a.csv", "cidr,site\n10.0.0.0/8,a\n10.0.0.300,b\n", "line 3", "cidr"),
        ("a.csv", "cidr,site\n10.0.0.0/8,a,b\n", "line 2", "more values"),
        ("a.csv", "network,site\n10.0.0.0/8,a\n", "line 1", "network"),
        ("a.csv", "cidr,site\n10.0.0.0/8,a\n10.0.0.0/8,b\n", "line 3", "named before"),
        ("a.csv", 'cidr,site\n10.0.0.0/8,"a\n10.1.0.0/16,b\n', "line 3", "not CSV"),
        ("a.csv", 'cidr,site\n10.0.0.0/8,"a\n' + "x" * 140_000, "line 3", "not CSV"),
        ("a.csv", "cidr,site\nfe80::1%eth0,a\n", "line 2", "link of one host"),
    ],
    ids=[
        "host bits", "unknown field", "empty", "number", "not toml", "other toml", "bad address", "too many values",
        "no cidr", "twice", "open quote", "long open quote", "zone",
    ],
)  # fmt: skip
def test_a_fault_names_file_and_line(tmp_path: Path, name: str, text: str, line: str, words: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    (fault,) = read_names([str(file)]).faults
    assert (fault.key, name in str(fault.value), line in str(fault.value)) == ("discovery.network_names", True, True)
    assert words in fault.problem


def test_all_faults_of_all_files_are_told_at_once_and_cost_only_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("cidr,site\nx,a\n10.0.0.0/8,here\ny,b\n10.0.0.0/8,again\n")

    found = read_names([str(tmp_path / "a.csv"), str(tmp_path / "none.csv")])
    assert len(found.faults) == 4
    assert found.names == (NamedNetwork("10.0.0.0/8", site="here"),)


def test_the_longest_network_is_found_and_a_narrower_scope_beats_a_wider_one() -> None:
    book = NameBook(
        [
            NamedNetwork("10.0.0.0/8", "here", vpc="vpc-1"),
            NamedNetwork("10.0.0.0/8", "anywhere"),
            NamedNetwork("10.1.0.0/16", "inner"),
        ]
    )

    found = [book.find(network(text)) for text in ("10.1.2.3/32", "10.2.0.0/16", "11.0.0.1/32", "::/0")]
    assert [one.name if one else "" for one in found] == ["inner", "here", "", ""]
    assert [one.name for one in book.inside(network("10.0.0.0/15"))] == ["inner"]
