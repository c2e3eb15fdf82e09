"""Single sign-on against a real OpenID Connect provider, which runs in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from reviewapp.models import AuditEntry, Membership, Person
from reviewapp.pure.signon import read_groups
from reviewapp.stages import administer
from tests import factories
from tests.embedded.processes import Program, started

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the provider."""
    log = tmp_path_factory.mktemp("oidc") / "log"
    # It warns of parts of its own library that it will have to leave.
    command = [sys.executable, "-W", "ignore", "-m", "tests.identity_provider"]
    with started(command, log=log) as program:
        yield address_of(program)


def address_of(program: Program) -> str:
    program.wait_for("running on http://127.0.0.1:")
    found = re.search(r"running on (http://127\.0\.0\.1:\d+)", program.output)
    assert found is not None
    return found[1]


def twist(provider: str, **lies: Any) -> None:
    """From now on the provider's answers are wrong in these ways; in none without any."""
    httpx.put(f"{provider}/twist", json=lies, timeout=120).raise_for_status()


@pytest.fixture
def signing_on(provider: str, settings: Any, project: Any) -> Any:
    """Sign somebody on as whom the provider says these claims of; gives the last answer and the browser."""
    settings.OIDC_ROLES = read_groups(f"reviewers={project.slug}:reviewer, leads={project.slug}:admin")
    app = {
        "provider_id": "sso",
        "name": "Example ID",
        "client_id": "reviewapp",
        "secret": "s",
        "settings": {"server_url": provider, "oauth_pkce_enabled": True},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    twist(provider)

    def sign_on(subject: str, **claims: Any) -> tuple[Any, Client]:
        client = Client()
        httpx.put(f"{provider}/users/{subject}", json=claims, timeout=120).raise_for_status()
        begun = client.get(reverse("openid_connect_login", args=["sso"]))
        # What the person does at the provider: says who they are.
        agreed = httpx.post(begun.url, data={"sub": subject}, timeout=120)
        return client.get(agreed.headers["location"]), client

    return sign_on


def test_the_sign_in_page_offers_it_only_where_it_is_set_up(client, settings, signing_on):
    offered = client.get(reverse("account_login")).content.decode()
    settings.SOCIALACCOUNT_PROVIDERS = {}
    without = client.get(reverse("account_login")).content.decode()

    assert "Sign in with Example ID" in offered
    assert "Example ID" not in without


def test_who_has_a_role_by_a_group_gets_an_account_with_it(signing_on, project):
    answer, client = signing_on(
        "s-1", email="Ann@example.org", email_verified=True, name="Ann Example", groups=["reviewers", "other"]
    )

    person = Person.objects.get(email__iexact="ann@example.org")
    assert answer.url == reverse("home")
    assert client.get("/").status_code == 200
    assert (person.name, person.has_usable_password()) == ("Ann Example", False)
    assert Membership.objects.get(person=person, project=project).role == "reviewer"
    told = AuditEntry.objects.get(action="member.by_group")
    assert (told.project, told.detail["before"], told.detail["after"]) == (project, None, "reviewer")


def test_who_has_none_is_told_that_one_comes_in_by_invitation(signing_on):
    answer, client = signing_on("s-2", email="bob@example.org", email_verified=True, groups=["other"])

    assert "By invitation only" in answer.content.decode()
    assert not Person.objects.filter(email="bob@example.org").exists()
    assert client.get("/").status_code == 302


def test_an_account_of_the_same_checked_address_is_theirs_and_keeps_its_password(signing_on, project):
    person = factories.make_person(email="cid@example.org", password="one-two-three-four")
    EmailAddress.objects.create(user=person, email="cid@example.org", verified=True, primary=True)

    signing_on("s-3", email="cid@example.org", email_verified=True, groups=["leads"])

    person.refresh_from_db()
    assert SocialAccount.objects.get(user=person).uid == "s-3"
    assert person.check_password("one-two-three-four")
    assert Membership.objects.get(person=person).role == "admin"


def test_what_opened_an_account_before_its_address_was_proved_opens_it_no_more(signing_on, project):
    person = factories.make_person(email="cid@example.org", password="whoever-was-first")
    before = Client()
    before.force_login(person)
    link = administer.create_sign_in_link(person=person, now=timezone.now())

    _, client = signing_on("s-3", email="cid@example.org", email_verified=True, groups=["leads"])

    person.refresh_from_db()
    assert not person.has_usable_password()
    assert before.get("/").status_code == 302
    assert not administer.sign_in_link_is_good(token=link, now=timezone.now())
    assert client.get("/").status_code == 200
    assert AuditEntry.objects.filter(action="person.hand_over").count() == 1


@pytest.mark.parametrize("checked", [False, "true", None])
def test_an_address_that_nobody_checked_opens_nobodys_account(signing_on, project, checked):
    factories.make_member(
        project=project, role="admin", person=factories.make_person(email="dee@example.org")
    )

    answer, client = signing_on("s-4", email="dee@example.org", email_verified=checked, groups=["leads"])

    assert "By invitation only" in answer.content.decode()
    assert not SocialAccount.objects.exists()
    assert client.get("/").status_code == 302


def test_roles_follow_the_groups_at_the_next_sign_in(signing_on, project):
    factories.make_member(project=project, role="admin")
    claims = {"email": "eve@example.org", "email_verified": True}
    signing_on("s-5", **claims, groups=["leads"])

    signing_on("s-5", **claims, groups=["reviewers"])
    after_change = list(
        Membership.objects.filter(person__email="eve@example.org").values_list("role", flat=True)
    )
    signing_on("s-5", **claims, groups=[])

    assert after_change == ["reviewer"]
    assert not Membership.objects.filter(person__email="eve@example.org").exists()


def test_a_project_that_no_rule_is_about_and_a_last_admin_keep_their_members(signing_on, project):
    person = factories.make_member(project=project, role="admin")
    other = factories.make_project()
    factories.make_member(project=other, role="viewer", person=person)

    signing_on("s-6", email=person.email, email_verified=True, groups=[])

    assert set(Membership.objects.filter(person=person).values_list("project", "role")) == {
        (project.pk, "admin"),
        (other.pk, "viewer"),
    }


def test_somebody_else_does_not_become_them_by_taking_their_address(signing_on, project):
    signing_on("s-7", email="fay@example.org", email_verified=True, groups=["reviewers"])

    signing_on("s-8", email="other@example.org", email_verified=True, groups=["reviewers"])

    assert SocialAccount.objects.get(uid="s-7").user.email == "fay@example.org"
    assert SocialAccount.objects.get(uid="s-8").user.email == "other@example.org"


def test_an_answer_that_this_browser_did_not_ask_for_signs_nobody_in(provider, signing_on, project):
    begun = Client().get(reverse("openid_connect_login", args=["sso"]))
    httpx.put(
        f"{provider}/users/s-9", json={"email": "g@example.org", "email_verified": True}, timeout=120
    ).raise_for_status()
    agreed = httpx.post(begun.url, data={"sub": "s-9"}, timeout=120)
    another = Client()

    another.get(agreed.headers["location"])

    assert another.get("/").status_code == 302
    assert not SocialAccount.objects.exists()


def test_no_token_of_the_provider_is_kept_and_the_code_is_bound_to_the_browser(signing_on, provider, project):
    begun = Client().get(reverse("openid_connect_login", args=["sso"])).url
    signing_on("s-10", email="hal@example.org", email_verified=True, groups=["reviewers"])

    assert not SocialToken.objects.exists()
    assert "code_challenge_method=S256" in begun
    assert "state=" in begun


def test_what_is_kept_of_it_is_among_ones_own_data(signing_on, project):
    _, client = signing_on("s-11", email="ida@example.org", email_verified=True, groups=["reviewers"])

    kept = json.loads(client.get(reverse("own-data")).content)

    assert [one["uid"] for one in kept["single_sign_on"]] == ["s-11"]


def refusal(caplog: pytest.LogCaptureFixture) -> str:
    """Why the log says that nobody was signed in."""
    told = [one.msg for one in caplog.records if isinstance(one.msg, dict)]
    return str([one["reason"] for one in told if one["event"] == "sign_on.refused"])


ANN = {"email": "ann@example.org", "email_verified": True, "groups": ["leads"]}
LONG_AGO = 1_700_000_000


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        pytest.param(
            {"claims": {"nonce": "of-another-browser"}}, "does not have the nonce", id="another nonce"
        ),
        pytest.param({"claims": {"nonce": None}}, "does not have the nonce", id="no nonce"),
        pytest.param({"claims": {"nonce": 0}}, "does not have the nonce", id="a nonce that is no text"),
        pytest.param({"claims": {"iss": "https://id.example.net"}}, "Invalid issuer", id="another issuer"),
        pytest.param({"claims": {"iss": None}}, 'missing the "iss"', id="no issuer"),
        pytest.param({"claims": {"aud": "another-app"}}, "Audience doesn't match", id="for another app"),
        pytest.param(
            {"claims": {"aud": ["another-app"]}}, "Audience doesn't match", id="for a list of others"
        ),
        pytest.param({"claims": {"aud": None}}, 'missing the "aud"', id="for nobody"),
        pytest.param(
            {"claims": {"aud": ["reviewapp", "another-app"]}},
            "made out to None",
            id="for several, made out to none",
        ),
        pytest.param(
            {"claims": {"azp": "another-app"}}, "made out to 'another-app'", id="made out to another app"
        ),
        pytest.param({"claims": {"iat": LONG_AGO, "exp": LONG_AGO + 3600}}, "expired", id="expired"),
        pytest.param({"claims": {"exp": None}}, 'missing the "exp"', id="valid for ever"),
        pytest.param({"claims": {"iat": None}}, 'missing the "iat"', id="of no time"),
        pytest.param(
            {"claims": {"iat": 4_000_000_000, "exp": 4_000_003_600}}, "not yet valid", id="of the future"
        ),
        pytest.param({"claims": {"nbf": 4_000_000_000}}, "not yet valid", id="not valid yet"),
        pytest.param(
            {"claims": {"sub": "somebody-else"}},
            "somebody else than the id token",
            id="another person than in userinfo",
        ),
        pytest.param({"claims": {"sub": None}}, 'missing the "sub"', id="about nobody"),
        pytest.param(
            {"userinfo": {"sub": "somebody-else"}},
            "somebody else than the id token",
            id="userinfo of another person",
        ),
        pytest.param({"key": "other"}, "Signature verification failed", id="signed by somebody else"),
        pytest.param({"key": "shared"}, "alg", id="signed by a shared secret"),
        pytest.param({"key": "none"}, "alg", id="not signed"),
        pytest.param({"no_id_token": True}, "no id token", id="no id token"),
    ],
)
def test_an_answer_that_does_not_hold_signs_nobody_in(provider, signing_on, caplog, lies, reason):
    twist(provider, **lies)

    answer, client = signing_on("s-20", **ANN)

    assert answer.status_code == 401
    assert "did not prove who you are" in answer.content.decode()
    assert client.get("/").status_code == 302
    assert not SocialAccount.objects.exists()
    assert not Person.objects.filter(email=ANN["email"]).exists()
    assert reason in refusal(caplog)


def test_an_answer_that_does_not_hold_signs_no_known_person_in_and_leaves_their_roles(
    provider, signing_on, project
):
    signing_on("s-21", **ANN)
    twist(provider, claims={"nonce": "of-another-browser", "groups": []})

    answer, client = signing_on("s-21", **ANN)

    assert answer.status_code == 401
    assert client.get("/").status_code == 302
    assert Membership.objects.get(person__email=ANN["email"]).role == "admin"


@pytest.mark.parametrize("told", [{"issuer": "https://id.example.net"}, {"issuer": None}, {"jwks_uri": None}])
def test_a_provider_that_says_it_is_another_is_not_asked(provider, signing_on, told):
    twist(provider, metadata=told)

    answer = Client().get(reverse("openid_connect_login", args=["sso"]))

    assert answer.status_code == 401
    assert "did not prove who you are" in answer.content.decode()


def test_an_answer_that_names_another_provider_signs_nobody_in(provider, signing_on):
    client = Client()
    begun = client.get(reverse("openid_connect_login", args=["sso"]))
    httpx.put(f"{provider}/users/s-22", json=ANN, timeout=120).raise_for_status()
    agreed = httpx.post(begun.url, data={"sub": "s-22"}, timeout=120)

    answer = client.get(f"{agreed.headers['location']}&iss=https://id.example.net")

    assert answer.status_code == 401
    assert not SocialAccount.objects.exists()


def test_a_token_for_several_apps_that_is_made_out_to_this_one_is_good(provider, signing_on):
    twist(provider, claims={"aud": ["reviewapp", "another-app"], "azp": "reviewapp"})

    answer, _ = signing_on("s-23", **ANN)

    assert answer.url == reverse("home")


def test_each_question_has_a_nonce_of_its_own_and_a_link_adds_nothing_to_it(signing_on):
    address = reverse("openid_connect_login", args=["sso"])
    spoiled = "?auth_params=nonce%3Dknown%26redirect_uri%3Dhttps%3A%2F%2Felsewhere.example&scope=admin"

    asked = [parse_qs(urlsplit(Client().get(f"{address}{query}").url).query) for query in ("", spoiled)]

    nonces = [one["nonce"][0] for one in asked]
    assert len(set(nonces)) == 2
    assert all(len(one) >= 40 for one in nonces)
    assert asked[1]["redirect_uri"] == asked[0]["redirect_uri"]
    assert set(asked[1]["scope"][0].split()) == set(asked[0]["scope"][0].split())


def test_who_breaks_off_at_the_provider_is_told_so(signing_on):
    client = Client()
    begun = client.get(reverse("openid_connect_login", args=["sso"]))
    refused = httpx.post(begun.url, data={"action": "deny"}, timeout=120)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]

    answer = client.get(f"{refused.headers['location']}&state={state}", follow=True)

    assert "broken off" in answer.content.decode()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("counted", "amr", "open_"),
    [
        ({"mfa", "hwk"}, ["pwd", "mfa"], True),
        ({"mfa"}, ["pwd"], False),
        ({"mfa"}, "mfa", False),
        ({"mfa"}, None, False),
        (set(), ["mfa"], False),
    ],
)
def test_the_providers_second_factor_counts_where_the_operator_says_so(
    provider, signing_on, settings, counted, amr, open_
):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    settings.OIDC_FACTORS = frozenset(counted)
    twist(provider, claims={"amr": amr})

    _, client = signing_on("s-30", **ANN)

    assert (client.get("/").status_code == 200) is open_


def test_what_userinfo_says_of_second_factors_counts_for_nothing(provider, signing_on, settings):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    settings.OIDC_FACTORS = frozenset({"mfa"})
    twist(provider, claims={"amr": ["pwd"]}, userinfo={"amr": ["mfa"]})

    _, client = signing_on("s-31", **ANN)

    assert client.get("/").url == reverse("mfa_index")
