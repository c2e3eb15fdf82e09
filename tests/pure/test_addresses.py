from __future__ import annotations

import ipaddress

import pytest

from reviewapp.pure.addresses import ANYWHERE, METADATA, AddressRule, WrongNetwork, read_address

STRICT = AddressRule()
PRIVATE = AddressRule(private=True)


def refusal(text: str, rule: AddressRule = STRICT) -> str | None:
    return rule.refusal(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address):
    assert refusal(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.200.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.255.255",
        "100.64.0.1",
        "169.254.1.1",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.251",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address):
    assert refusal(address) is not None


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:127.0.0.1",  # mapped
        "::ffff:169.254.169.254",
        "2002:0a00:0001::",  # 6to4 of 10.0.0.1
        "2001:0:1:2:3:4:80ff:fffe",  # Teredo of 127.0.0.1
        "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
        "64:ff9b:1::7f00:1",
    ],
)
def test_an_ipv6_address_is_as_good_as_the_ipv4_one_that_it_carries(address):
    assert refusal(address) is not None


@pytest.mark.parametrize("address", sorted(str(address) for address in METADATA))
def test_where_a_cloud_tells_credentials_is_refused_also_where_private_networks_are_allowed(address):
    assert "credentials" in (refusal(address, PRIVATE) or "")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "100.64.0.1", "::1", "fd12::1"])
def test_private_networks_can_be_allowed_together(address):
    assert refusal(address, PRIVATE) is None


@pytest.mark.parametrize("address", ["169.254.1.1", "0.0.0.0", "224.0.0.1", "fe80::1", "198.18.0.1"])
def test_to_allow_private_networks_allows_nothing_stranger(address):
    assert refusal(address, PRIVATE) is not None


def test_networks_can_be_allowed_by_name():
    rule = AddressRule.of("10.20.0.0/16, 169.254.169.254")

    assert refusal("10.20.9.9", rule) is None
    assert refusal("::ffff:10.20.9.9", rule) is None
    assert refusal("10.21.0.1", rule) is not None
    assert refusal("169.254.169.254", rule) is None


@pytest.mark.parametrize(("text", "rule"), [("1", PRIVATE), ("on", PRIVATE), ("0", STRICT), ("", STRICT)])
def test_a_setting_says_yes_or_no(text, rule):
    assert AddressRule.of(text) == rule


@pytest.mark.parametrize("text", ["maybe", "10.0.0.1/8", "10.0.0.0/8,", "internal.example"])
def test_a_setting_that_names_no_network_is_refused(text):
    with pytest.raises(WrongNetwork):
        AddressRule.of(text)


@pytest.mark.parametrize("rule", [STRICT, PRIVATE, AddressRule.of("10.0.0.0/8,fd00::/8")])
def test_a_rule_is_read_as_it_is_written(rule):
    assert AddressRule.of(str(rule)) == rule


def test_anywhere_is_anywhere():
    assert refusal("169.254.169.254", ANYWHERE) is None
    assert refusal("fe80::1", ANYWHERE) is None


def test_a_scope_does_not_hide_an_address():
    assert read_address("[fe80::1%eth0]") == ipaddress.ip_address("fe80::1")
    assert read_address("example.com") is None
