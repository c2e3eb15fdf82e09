"""Connections to where the operator does not let the app go, tried over real sockets."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from reviewapp.providers.addresses import (
    AddressRefused,
    UnknownHost,
    check_host,
    check_written,
    guarded_connector,
    refusal_in,
)
from reviewapp.providers.client import Client, Target
from reviewapp.providers.errors import NotCallable
from reviewapp.pure.addresses import AddressRule
from tests.answering import answering

STRICT = AddressRule()
HERE = AddressRule.of("127.0.0.1")


class Names(AbstractResolver):
    """A resolver whose names lead to one thing after another, as an attacker's do."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self):
        pass


@pytest.fixture
def receiver():
    with answering() as running:
        yield running


async def get(url: str, *, rule: AddressRule, names: Names | None = None, **options):
    connector = guarded_connector(rule=rule, resolver=names, **options)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
        return response.status


async def refused(url: str, **how) -> AddressRefused:
    with pytest.raises(aiohttp.ClientError) as caught:
        await get(url, **how)
    found = refusal_in(caught.value)
    assert found is not None, caught.value
    return found


def port_of(receiver) -> int:
    return int(receiver.base_url.split(":")[2].split("/")[0])


async def test_an_allowed_address_is_connected_to(receiver):
    assert await get(receiver.base_url, rule=HERE) == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f000001", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_not_reached_however_it_is_written(receiver, host):
    await refused(f"http://{host}:{port_of(receiver)}/v1", rule=STRICT)

    assert receiver.asked == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1"])
async def test_numbers_that_are_no_canonical_address_are_refused_as_such(receiver, host):
    with pytest.raises(aiohttp.InvalidURL):
        await get(f"http://{host}:{port_of(receiver)}/v1", rule=HERE)

    assert receiver.asked == []


async def test_a_name_that_leads_inside_is_not_followed(receiver):
    error = await refused(
        f"http://evil.example:{port_of(receiver)}/", rule=STRICT, names=Names(["127.0.0.1"])
    )

    assert error.sentence.startswith("evil.example leads to 127.0.0.1, which is this machine's own address")
    assert "REVIEWAPP_ALLOW_PRIVATE_ADDRESSES" in error.sentence
    assert receiver.asked == []


async def test_a_name_that_leads_inside_among_others_is_refused_as_a_whole(receiver):
    names = Names(["127.0.0.1", "10.0.0.1"])

    await refused(f"http://evil.example:{port_of(receiver)}/", rule=HERE, names=names)

    assert receiver.asked == []


async def test_a_name_is_connected_to_where_it_led_when_it_was_looked_at(receiver):
    # Good when it is looked at, bad for whoever asks again: the second answer is never asked for.
    names = Names(["127.0.0.1"], ["10.0.0.1"])

    status = await get(f"http://rebinding.example:{port_of(receiver)}/", rule=HERE, names=names)

    assert status == 200
    assert names.asked == 1


async def test_a_name_that_leads_elsewhere_later_is_refused_then(receiver):
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    url = f"http://rebinding.example:{port_of(receiver)}/"
    connector = guarded_connector(rule=HERE, resolver=names, force_close=True, use_dns_cache=False)

    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(url) as first:
            assert first.status == 200
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.get(url)

    assert refusal_in(caught.value) is not None
    assert len(receiver.asked) == 1


async def test_a_redirect_leads_nowhere_that_the_address_itself_could_not(receiver):
    port = port_of(receiver)
    receiver.behave = lambda asked: aiohttp.web.Response(
        status=302, headers={"Location": f"http://127.0.0.2:{port}/secret"}
    )

    await refused(receiver.base_url, rule=HERE)

    assert [asked.path for asked in receiver.asked] == ["/v1"]


async def test_a_provider_inside_is_not_called(receiver):
    target = Target(name="acme", base_url=receiver.base_url, rule=STRICT)

    async with Client(target) as client:
        with pytest.raises(NotCallable, match=r"127\.0\.0\.1 is this machine's own address"):
            await client.send(endpoint="chat.completions", request=b"{}")

    assert receiver.asked == []


async def test_a_provider_keeps_to_the_operators_rule_unless_told_otherwise(receiver, settings):
    settings.ADDRESS_RULE = STRICT
    target = Target(name="acme", base_url=receiver.base_url)

    async with Client(target) as client:
        with pytest.raises(NotCallable):
            await client.list_models()


def test_a_host_can_be_looked_at_beforehand():
    with pytest.raises(AddressRefused):
        check_host(host="evil.example", rule=STRICT, lookup=lambda _: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressRefused):
        check_host(host="[::1]", rule=STRICT)

    check_host(host="good.example", rule=STRICT, lookup=lambda _: ["8.8.8.8"])


def test_a_host_that_is_not_known_is_said_to_be():
    with pytest.raises(UnknownHost):
        check_host(host="nothing.invalid", rule=STRICT)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost", "10.0.0.1", "[::1]"])
def test_a_form_refuses_what_is_written_as_inside(host, settings):
    settings.ADDRESS_RULE = STRICT

    with pytest.raises(AddressRefused):
        check_written(host=host)


def test_a_form_does_not_ask_who_a_name_is(settings):
    settings.ADDRESS_RULE = STRICT

    check_written(host="nothing.invalid")
