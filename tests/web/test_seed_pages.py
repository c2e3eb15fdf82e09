from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from reviewapp.models import SeedRange
from reviewapp.stages import administer
from tests import factories
from tests.factories import NOW


@pytest.fixture
def signed_in(client, admin):
    client.force_login(admin.person)
    return client


@pytest.fixture
def bot(project):
    return factories.make_source(project=project, name="bot")


def test_a_range_is_reserved_and_shown_with_what_was_given(signed_in, admin, bot):
    signed_in.post(
        reverse("settings-seeds"),
        {"source": bot.pk, "first": 1, "last": 200, "policy": "sequence", "step": ""},
    )
    administer.allocate_seeds(actor=admin, source=bot, count=50, now=NOW)

    page = signed_in.get(reverse("settings-seeds")).content.decode()

    assert "50 given, 150 left" in page
    assert "number-line-range" in page


def test_seeds_that_are_taken_are_told_beside_the_field(signed_in, bot):
    factories.make_seed_range(source=bot, first=1, last=200)

    answer = signed_in.post(
        reverse("settings-seeds"), {"source": bot.pk, "first": 100, "last": 300, "policy": "random"}
    )

    assert answer.status_code == 422
    assert "whose range is 1…200" in answer.content.decode()


def test_the_form_proposes_free_seeds(signed_in, bot):
    factories.make_seed_range(source=bot, first=1, last=200)

    form = signed_in.get(reverse("settings-seeds")).context["form"]

    assert (form.initial["first"], form.initial["last"]) == (201, 1_000_200)


def test_a_file_reserves_its_ranges(signed_in, bot):
    file = SimpleUploadedFile("ranges.csv", b"source,first,last\nbot,1,10\nother,11,20\n")

    signed_in.post(reverse("settings-seeds-import"), {"file": file})

    assert list(SeedRange.objects.order_by("first").values_list("source__name", "last")) == [
        ("bot", 10),
        ("other", 20),
    ]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfe", "not UTF-8"), (b"source,first\nbot,1\n", "last is missing")]
)
def test_a_file_that_cannot_be_read_says_why(signed_in, content, reason):
    answer = signed_in.post(reverse("settings-seeds-import"), {"file": SimpleUploadedFile("r.csv", content)})

    assert answer.status_code == 422
    assert reason in answer.content.decode()


def test_a_range_is_closed_opened_and_given_back(signed_in, bot):
    made = factories.make_seed_range(source=bot)

    signed_in.post(reverse("settings-seeds-move", args=[made.pk, "close"]))
    assert not SeedRange.objects.get().is_open
    signed_in.post(reverse("settings-seeds-move", args=[made.pk, "open"]))
    assert SeedRange.objects.get().is_open
    signed_in.post(reverse("settings-seeds-move", args=[made.pk, "release"]))
    assert not SeedRange.objects.exists()


def test_a_seeds_page_says_whose_it_is_and_shows_its_interactions(signed_in, project, bot):
    factories.make_seed_range(source=bot, first=100, last=199)
    factories.make_interaction(project=project, source=bot, seed=104)

    page = signed_in.get("/seeds/104/").content.decode()

    assert "number 5 of its range 100…199" in page
    assert "whoever sent it chose it" in page
    assert "When is my refund due?" in page


def test_a_seed_in_no_range_says_so(signed_in):
    assert "lies in no source" in signed_in.get("/seeds/-7/").content.decode()
    assert signed_in.get("/seeds/7a/").status_code == 404
    assert signed_in.get(f"/seeds/{2**64}/").status_code == 404


def test_the_palette_leads_to_the_seed_and_names_its_source(signed_in, bot):
    factories.make_seed_range(source=bot, first=100, last=199)

    found = signed_in.get("/palette/?q=104").content.decode()

    assert "/seeds/104/" in found
    assert "bot" in found


@pytest.mark.parametrize(
    ("seed", "told"), [(150, "150 of bot’s range"), (999, "999 in no source’s range"), (None, "none sent")]
)
def test_an_interaction_says_whose_its_seed_is(signed_in, project, bot, seed, told):
    factories.make_seed_range(source=bot, first=100, last=200)
    one = factories.make_interaction(project=project, seed=seed)

    page = signed_in.get(reverse("interaction", args=[one.pk])).content.decode()

    assert told in re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert (f'href="/seeds/{seed}/"' in page) is (seed is not None)
