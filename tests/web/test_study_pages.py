"""The study screens: the list, a new study with its edits, one study's answer, and its figures."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from django.urls import reverse

from reviewapp.models import AuditEntry, ReplayVariant, SeedProbe, Study
from tests.factories import NOW, make_interaction, make_provider, make_study

ASKED = "When is my refund due? I need it soon."
NONE = {"kind": "none", "size": 0.0}
TYPO = {"kind": "typo", "size": 0.02, "text": "When is my refnud due?"}
CASE = {"kind": "case", "size": 0.3, "text": "WHEN IS MY REFUND DUE?"}


@pytest.fixture
def signed_in(client, reviewer):
    client.force_login(reviewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def original(project):
    provider = make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1")
    return make_interaction(project=project, provider=provider, prompt=ASKED)


def words(answer) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<[^>]*>", " ", answer.content.decode()).replace("\u202f", " ").replace("&#x27;", "'")
    return re.sub(r"\s+", " ", text)


def form_of(page) -> dict[str, str]:
    """What the page's form would send as it stands."""
    html = page.content.decode()
    values = dict(re.findall(r'<input type="hidden" name="([a-z0-9-]+)" value="([^"]*)"', html))
    areas = re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n?([^<]*)</textarea>', html)
    values |= {name: text for name, text in areas if name.startswith("text-")}
    return values | {"name": "How far?", "repeats": "2"}


# ---- the list and a study ----


def test_without_studies_the_list_says_what_a_study_is(signed_in):
    assert "how far a prompt may drift" in words(signed_in.get(reverse("studies")))


def test_the_list_names_each_study_and_its_progress(signed_in, project):
    make_study(project=project, conditions=[(NONE, [1.0, 1.0])], name="Refunds")

    shown = words(signed_in.get(reverse("studies")))

    assert "Refunds Prompt deviation" in shown
    assert "2 of 2" in shown


def test_a_deviation_study_answers_its_question_in_a_sentence(signed_in, project):
    study = make_study(project=project, conditions=[(NONE, [1.0] * 5), (TYPO, [1.0] * 5), (CASE, [0.2] * 5)])

    shown = words(signed_in.get(reverse("study", args=[study.pk])))

    assert "About 16.0 % of the prompt may change (95 % interval:" in shown
    assert "5 of 10 (24 % to 76 %), without one in 5 of 5 (57 % to 100 %)" in shown


def test_each_mark_of_the_plot_leads_to_its_comparison(signed_in, project):
    study = make_study(project=project, conditions=[(NONE, [1.0]), (TYPO, [0.5])])
    attempt = study.run.attempt_set.get(variant__position=1)

    page = signed_in.get(reverse("study", args=[study.pk])).content.decode()

    marks = re.findall(r'<a class="plot-mark[^>]*href="([^"]+)"[^>]*aria-label="([^"]+)"', page)
    assert [url for url, _ in marks] == [reverse("compare", args=[attempt.pk])] * 2
    assert all(label.startswith("Typos, 2.0") for _, label in marks)


def test_a_seed_study_shows_which_answers_are_equal(signed_in, project):
    study = make_study(
        project=project,
        kind="seeds",
        conditions=[({"seed": seed, "temperature": 1.0}, [seed / 10] * 3) for seed in (1, 2, 3, 4)],
    )

    page = signed_in.get(reverse("study", args=[study.pk]))

    assert "At temperature 1 the seed determines 100 % of what varies" in words(page)
    assert "1 A A A" in words(page)
    assert "4 D D D" in words(page)


def test_a_provider_study_says_who_agrees_most(signed_in, project):
    conditions = [({"provider": "acme", "model": "big"}, [1.0, 1.0]), ({"provider": "", "model": ""}, [0.1])]
    study = make_study(project=project, kind="providers", conditions=conditions)

    shown = words(signed_in.get(reverse("study", args=[study.pk])))

    assert "acme · big agrees most with the recorded answers" in shown
    assert "Provider as recorded · model as recorded agrees least" in shown


@pytest.mark.parametrize(("state", "polls"), [("done", False), ("running", True)])
def test_a_study_polls_only_while_work_remains(signed_in, project, state, polls):
    study = make_study(project=project, conditions=[(NONE, [1.0])], state=state)

    answer = signed_in.get(reverse("study", args=[study.pk]), headers={"HX-Request": "true"})

    assert ("hx-trigger" in answer.content.decode()) is polls


def test_a_study_warns_of_seeds_that_are_ignored(signed_in, project, original):
    SeedProbe.objects.create(
        project=project, provider=original.provider, model=original.model, at=NOW, honoured=False,
        same=0, asked=16, chance=0, others=16, sentence="It ignores the seed.",
    )  # fmt: skip
    study = make_study(project=project, interaction=original, conditions=[(NONE, [0.2])])

    assert "It ignores the seed." in words(signed_in.get(reverse("study", args=[study.pk])))


# ---- a new one ----


def test_the_proposed_edits_are_shown_with_their_sizes(signed_in, original):
    page = signed_in.get(reverse("study-new"), {"kind": "deviation", "interaction": str(original.pk)})

    assert page.context["expected"].calls == 3 * (1 + len(page.context["draft"].rows))
    assert "Whether it heeds a seed was not tested yet" in words(page)
    assert "WHEN IS MY REFUND DUE" in words(page)


def test_an_edit_that_a_person_changed_is_what_is_asked(signed_in, original):
    page = signed_in.get(reverse("study-new"), {"kind": "deviation", "interaction": str(original.pk)})
    form = form_of(page) | {"text-0": "Mine, and mine alone.", "leave-1": "on", "do": "start"}

    answer = signed_in.post(reverse("study-new"), form)

    study = Study.objects.get()
    assert answer["Location"] == reverse("study", args=[study.pk])
    texts = [one.about.get("text") for one in ReplayVariant.objects.filter(run=study.run)]
    assert "Mine, and mine alone." in texts
    assert len(texts) == 1 + int(form["edits"]) - 1
    assert form["text-1"] not in texts


def test_paraphrases_and_system_prompts_are_written_by_people(signed_in, original):
    form = {
        "kind": "deviation", "interaction": str(original.pk), "do": "propose", "kinds": "typo",
        "paraphrases": "Where is my money?\r\n\r\nMoney, please.", "systems": "Be a pirate.",
    }  # fmt: skip

    rows = signed_in.post(reverse("study-new"), form).context["draft"].rows

    written = [(row.kind, row.system or row.text) for row in rows if row.kind != "typo"]
    assert written == [
        ("paraphrase", "Where is my money?"), ("paraphrase", "Money, please."), ("system", "Be a pirate."),
    ]  # fmt: skip


def test_a_seed_study_takes_stretches_of_seeds(signed_in, original):
    form = {
        "kind": "seeds", "interaction": str(original.pk), "seeds": "7, 10..12", "temperatures": "0 1",
        "repeats": "2", "name": "Seeds", "do": "start",
    }  # fmt: skip

    signed_in.post(reverse("study-new"), form)

    asked = [(one.about["seed"], one.about["temperature"]) for one in ReplayVariant.objects.all()]
    assert asked == [(seed, warm) for warm in (0.0, 1.0) for seed in (7, 10, 11, 12)]


@pytest.mark.parametrize(
    ("given", "words_"),
    [
        ({"seeds": "7"}, "from 2 to 200 seeds"),
        ({"seeds": "1..999999999"}, "no stretch"),
        ({"seeds": "seven"}, "is no whole number"),
        ({"temperatures": "warm"}, "is no number"),
        ({"repeats": "1"}, "at least twice"),
        ({"name": " "}, "Give the study a name"),
        ({"interaction": "nonsense"}, "is no id"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_starts(signed_in, original, given, words_):
    form = {
        "kind": "seeds", "interaction": str(original.pk), "seeds": "1..4", "repeats": "2", "name": "S",
        "do": "start", **given,
    }  # fmt: skip

    answer = signed_in.post(reverse("study-new"), form)

    assert answer.status_code == 422
    assert words_ in words(answer)
    assert not Study.objects.exists()


def test_one_selected_in_the_list_can_be_studied_in_every_way(signed_in, original):
    chosen = signed_in.post(reverse("interactions-choose"), {"ids": [original.pk], "to": "study"})

    page = signed_in.get(chosen.url).content.decode()

    for kind in ("deviation", "seeds"):
        assert f"?kind={kind}&amp;interaction={original.pk}" in page
    providers = re.search(r'href="(\?kind=providers&amp;selection=[^"]+)"', page)[1].replace("&amp;", "&")
    assert signed_in.get(reverse("study-new") + providers).context["draft"].interactions == [original.pk]


def test_of_several_selected_only_providers_are_compared(signed_in, project, original):
    ids = [original.pk, make_interaction(project=project).pk]
    chosen = signed_in.post(reverse("interactions-choose"), {"ids": ids, "to": "study"})

    page = signed_in.get(chosen.url)

    assert "kind=deviation" not in page.content.decode()
    assert words(page).count("Choose one interaction for this.") == 2
    assert "kind=providers&amp;selection=" in page.content.decode()


def test_who_chose_nothing_is_offered_what_to_compare_providers_by(signed_in, original):
    page = signed_in.get(reverse("study-new"), {"kind": "providers"})

    assert 'href="?kind=providers&amp;since=24h"' in page.content.decode() or "The last 24 hours" in words(
        page
    )
    assert "address" not in words(page)
    found = signed_in.get(reverse("study-new"), {"kind": "providers", "q": f"model:{original.model}"})
    assert found.context["draft"].interactions == [original.pk]
    none = signed_in.get(reverse("study-new"), {"kind": "providers", "q": "model:none-such"})
    assert "Nothing matches." in words(none)


@pytest.mark.parametrize("query", ["kind=providers&seed=x", "seed=x", "ids=x"])
def test_a_selection_that_can_not_be_is_told(signed_in, query):
    page = signed_in.get(f"{reverse('study-new')}?{query}")

    assert 'class="notice' in page.content.decode()


def test_a_provider_study_asks_what_was_chosen_of_each_row(signed_in, project, original):
    form = {
        "kind": "providers", "ids": str(original.pk), "provider-0": "", "model-0": "",
        "provider-1": "acme", "model-1": "big", "provider-2": "", "model-2": "",
        "repeats": "1", "name": "Both", "do": "start",
    }  # fmt: skip

    signed_in.post(reverse("study-new"), form)

    asked = [one.about for one in ReplayVariant.objects.order_by("position")]
    assert asked == [{"provider": "", "model": ""}, {"provider": "acme", "model": "big"}]


def test_one_provider_alone_is_no_comparison(signed_in, original):
    form = {
        "kind": "providers", "ids": str(original.pk), "provider-0": "", "model-0": "", "provider-1": "",
        "model-1": "", "repeats": "1", "name": "Alone", "do": "start",
    }  # fmt: skip

    answer = signed_in.post(reverse("study-new"), form)

    assert answer.status_code == 422
    assert "One provider or model alone is no comparison: name a second one." in words(answer)
    assert not Study.objects.exists()


def test_the_form_of_a_comparison_begins_by_asking_for_a_second_one(signed_in, original):
    page = signed_in.get(reverse("study-new"), {"kind": "providers", "ids": str(original.pk)})

    assert "Name a second provider or model" in words(page)
    assert "Start the study" not in words(page)


# ---- where its answers stand besides ----


def test_the_studied_interaction_names_the_study_and_no_verdict_of_it(signed_in, project, original):
    study = make_study(project=project, interaction=original, conditions=[(NONE, [1.0]), (TYPO, [0.5, 1.0])])

    page = signed_in.get(reverse("interaction", args=[original.pk]))

    card = page.content.decode().partition('id="replays"')[2].partition("</section>")[0]
    assert f'href="{reverse("study", args=[study.pk])}"' in card
    assert "with edited prompts: 2 of 3 answers the same" in words(page)
    assert "data-verdict" not in card


def test_an_answer_to_an_edited_prompt_says_so(signed_in, project, original):
    study = make_study(project=project, interaction=original, conditions=[(NONE, [1.0]), (TYPO, [0.5])])
    floor, typo = study.run.attempt_set.order_by("number")

    pages = [reverse("compare", args=[typo.pk]), reverse("interaction", args=[typo.answer_id])]
    of_typo = [words(signed_in.get(page)) for page in pages]
    of_floor = words(signed_in.get(reverse("compare", args=[floor.pk])))

    for shown in of_typo:
        assert "Asked by the study How far may it drift?" in shown
        assert "Typos, 2.0 % of the prompt. The prompt was edited, so this is no verdict" in shown
    assert "No edit." in of_floor
    assert "The prompt was edited" not in of_floor


# ---- taking it home ----


def test_the_answers_are_taken_home_as_csv(signed_in, project):
    study = make_study(project=project, conditions=[(NONE, [1.0]), (TYPO, [0.5, 0.25])])

    answer = signed_in.get(reverse("study-points", args=[study.pk, "csv"]))

    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["edit"], row["size"], row["similarity"]) for row in rows] == [
        ("none", "0.0", "1.0"), ("typo", "0.02", "0.5"), ("typo", "0.02", "0.25"),
    ]  # fmt: skip
    assert AuditEntry.objects.get(action="study.export").detail == {"format": "csv", "rows": 3}


def test_a_cell_that_begins_like_a_formula_is_defused(signed_in, project):
    study = make_study(project=project, conditions=[({**TYPO, "text": "=1+1"}, [0.5])])

    answer = signed_in.get(reverse("study-points", args=[study.pk, "csv"]))

    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert row["prompt"] == "'=1+1"


def test_the_answers_are_taken_home_as_jsonl(signed_in, project):
    study = make_study(project=project, conditions=[(TYPO, [0.5])])

    answer = signed_in.get(reverse("study-points", args=[study.pk, "jsonl"]))

    (line,) = b"".join(answer.streaming_content).splitlines()
    assert json.loads(line)["prompt"] == TYPO["text"]


def test_a_format_that_there_is_not_is_not_found(signed_in, project):
    study = make_study(project=project, conditions=[(TYPO, [0.5])])

    assert signed_in.get(reverse("study-points", args=[study.pk, "xlsx"])).status_code == 404
