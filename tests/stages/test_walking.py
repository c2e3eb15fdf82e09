from __future__ import annotations

from datetime import timedelta

import pytest

from reviewapp.models import Alert, BackendChange, ChangeEvent, Fingerprint, IdentityPart, WatchedPool
from reviewapp.models.interaction import compress
from reviewapp.stages import watch
from tests.factories import NOW, make_interaction
from tests.stumbling import refusing

LATER = NOW + timedelta(hours=1)
DAY = timedelta(days=1)


def record(project, values, *, start=NOW, step=timedelta(seconds=1), **fields):
    """One answer after another, with these fingerprints."""
    return [
        make_interaction(project=project, fingerprint=value, started_at=start + i * step, **fields)
        for i, value in enumerate(values)
    ]


def look(now=LATER):
    """Count and walk, as the scheduler does."""
    while watch.pull(now=now):
        pass
    while watch.walk(now=now):
        pass


def told():
    """The stored events, as (kind, values, whether they are of a change)."""
    rows = ChangeEvent.objects.order_by("at", "key")
    return [(row.kind, tuple(row.values), row.change_id is not None) for row in rows]


def test_a_value_never_seen_before_opens_a_change_at_its_first_call_in_a_steady_pool(project):
    record(project, ["fp_old"] * 25 + ["fp_new"])

    look()

    assert told() == [("new_value", ("fp_new",), True)]
    change = BackendChange.objects.get()
    assert change.events.get().sentence == "A value never seen before: fp_new, in 100 % of the answers since."
    assert change.events.get().evidence["before"] == [["fp_old", 1.0]]


def test_a_change_raises_an_alert_that_leads_to_it(project):
    record(project, ["fp_old"] * 25 + ["fp_new"])

    look()

    alert, change = Alert.objects.get(), BackendChange.objects.get()
    assert (alert.kind, alert.severity, alert.path) == ("backend-change", "warning", f"/changes/{change.pk}/")


def test_looking_again_tells_nothing_twice(project):
    record(project, ["fp_old"] * 25 + ["fp_new"])
    look()

    WatchedPool.objects.update(walked=0)
    look()

    assert len(told()) == 1
    assert Alert.objects.get().count == 1


def test_nothing_is_told_while_a_pool_is_learnt(project):
    record(project, ["fp_1"] * 10 + ["fp_2"] * 5)

    look()

    assert told() == []


def test_a_rotating_pool_tells_of_a_new_value_only_when_it_takes_a_share(project):
    record(project, ["fp_1", "fp_2"] * 20 + ["fp_3"])
    look()
    assert told() == []

    record(project, ["fp_3"] * 4, start=NOW + timedelta(minutes=5))
    look()

    assert told() == [("new_value", ("fp_3",), True)]


def test_several_new_values_are_one_change(project):
    record(project, ["fp_old"] * 25 + ["fp_a"] * 5 + ["fp_b"] * 5)

    look()

    assert [values for _, values, _ in told()] == [("fp_a",), ("fp_b",)]
    assert BackendChange.objects.count() == 1


def test_a_new_value_opens_the_overlap_of_the_accepted_one(project):
    record(project, ["fp_old"] * 25 + ["fp_new"])

    look()

    old = Fingerprint.objects.get(value="fp_old")
    assert (old.state, old.overlap_until) == ("overlap", LATER + 7 * DAY)
    assert Fingerprint.objects.get(value="fp_new").state == "new"


def test_an_old_value_accepted_again_is_not_put_on_overlap_a_second_time(project):
    record(project, ["fp_old"] * 25 + ["fp_new"])
    look()
    Fingerprint.objects.filter(value="fp_old").update(state="accepted", overlap_until=None)

    record(project, ["fp_new"], start=NOW + timedelta(minutes=5))
    look()

    assert Fingerprint.objects.get(value="fp_old").state == "accepted"


def test_a_value_whose_parts_changed_says_which(project):
    record(project, ["vllm-0.24.0-tp4-6d31f84d"] * 25 + ["vllm-0.25.1-tp4-6d31f84d"] * 3)

    look()

    event = ChangeEvent.objects.get()
    assert event.kind == "parts_changed"
    assert event.evidence["parts"] == [["version", "0.24.0", "0.25.1"]]
    assert event.change.title == "The fingerprint of gpt-4o-mini names another backend"


def test_values_drawn_for_each_answer_are_no_events(project):
    record(project, [f"fp_{i}" for i in range(60)])

    look()

    assert told() == []


def test_history_that_was_imported_opens_nothing(project):
    long_ago = NOW - 90 * DAY
    record(project, ["fp_1"] * 60, start=long_ago, step=timedelta(hours=1), created_at=NOW)
    record(project, ["fp_2"] * 60, start=long_ago + 5 * DAY, step=timedelta(hours=1), created_at=NOW)
    record(project, [None] * 20, start=long_ago + 20 * DAY, created_at=NOW)

    look()

    assert not BackendChange.objects.exists()
    assert not Alert.objects.exists()
    assert [kind for kind, _, _ in told()] == ["reporting_stopped"]


def test_reporting_that_stops_is_told_and_is_no_change(project):
    record(project, ["fp_1"] * 30)
    record(project, [None] * 6, start=NOW + timedelta(hours=2))

    look(NOW + timedelta(hours=3))

    assert told() == [("reporting_stopped", (), False)]
    assert not BackendChange.objects.exists()
    assert Alert.objects.get().severity == "info"


def test_late_answers_do_not_tell_a_stop_again(project):
    record(project, ["fp_1"] * 30)
    record(project, [None] * 6, start=NOW + timedelta(hours=3))
    look(NOW + timedelta(hours=4))

    record(project, [None] * 6, start=NOW + timedelta(hours=2), created_at=NOW + timedelta(hours=4))
    look(NOW + timedelta(hours=5))

    assert [kind for kind, _, _ in told()] == ["reporting_stopped"]


def shift(project, *, days=6):
    """Two accepted values whose shares turn round for good, an answer every twenty minutes."""
    step = timedelta(minutes=20)
    record(project, ["fp_1", "fp_1", "fp_1", "fp_2"] * 18 * days, start=NOW, step=step)
    after = NOW + days * DAY
    record(project, ["fp_2", "fp_2", "fp_2", "fp_1"] * 18 * days, start=after, step=step)
    look(after + days * DAY)


def test_known_values_in_other_shares_are_told_and_are_no_change(project):
    shift(project, days=3)

    assert [(kind, change) for kind, _, change in told()] == [("shares_shifted", False)]


def test_a_retired_value_that_answers_again_opens_a_change(project, admin):
    record(project, ["fp_old"] * 25 + ["fp_new"] * 5)
    look()
    watch.accept(actor=admin, fingerprint=Fingerprint.objects.get(value="fp_new"), now=LATER)
    BackendChange.objects.update(state="accepted", decided_at=LATER)
    record(project, ["fp_new"] * 5, start=NOW + 9 * DAY)
    look(NOW + 9 * DAY + timedelta(hours=1))
    watch.settle(now=NOW + 9 * DAY + timedelta(hours=1))
    assert Fingerprint.objects.get(value="fp_old").state == "retired"

    record(project, ["fp_old"] * 2, start=NOW + 10 * DAY)
    look(NOW + 10 * DAY + timedelta(hours=1))

    assert told()[-1] == ("value_returned", ("fp_old",), True)
    assert BackendChange.objects.undecided().count() == 1


def parts(part=""):
    rows = IdentityPart.objects.order_by("part", "name", "value")
    return [(row.name or row.part, row.value, row.count) for row in rows if part in ("", row.part)]


def test_the_other_parts_of_identity_are_counted(project):
    answer = {
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "choices": [{"message": {"content": "Yes."}, "seed": 123}],
    }
    made = make_interaction(project=project, response=answer, response_model="gpt-4o-mini-2024-07-18")
    made.body.headers = {"openai-version": "2020-10-01", "x-request-id": "req_1"}
    made.body.save()

    look()

    assert parts() == [
        ("openai-version", "2020-10-01", 1),
        ("response_model", "gpt-4o-mini-2024-07-18", 1),
        ("seed", "as sent", 1),
        ("service_tier", "default", 1),
    ]


def test_an_echoed_seed_that_is_another_is_counted_apart(project):
    for echoed in (123, 124, 124):
        make_interaction(project=project, seed=123, response={"choices": [], "x_groq": {"seed": echoed}})

    look()

    assert parts("seed") == [("seed", "another one", 2), ("seed", "as sent", 1)]


def test_another_model_in_the_answers_opens_a_change_when_it_lasts(project):
    record(project, [None] * 25, response_model="gpt-4o-mini-2024-07-18")
    record(project, [None] * 2, start=NOW + timedelta(minutes=5), response_model="gpt-4o-mini-2026-10-01")
    look()
    assert told() == []

    record(project, [None], start=NOW + timedelta(minutes=6), response_model="gpt-4o-mini-2026-10-01")
    look()

    assert told() == [("model_changed", ("gpt-4o-mini-2026-10-01",), True)]
    sentence = ChangeEvent.objects.get().sentence
    assert sentence == (
        "The answers name another model: gpt-4o-mini-2026-10-01, in 100 % of the answers since; "
        "known so far: gpt-4o-mini-2024-07-18."
    )


def test_counting_anew_gives_the_same_parts(project):
    record(project, ["fp_1"] * 4)
    look()
    before = parts()

    watch.rebuild(now=LATER)

    assert parts() == before


def test_an_answer_that_is_no_json_stops_nothing(project):
    made = make_interaction(project=project)
    made.body.response = compress(b'{"service_tier": ')
    made.body.save()

    look()

    assert parts() == [("response_model", "gpt-4o-mini", 1)]


@pytest.mark.parametrize("values", [["fp_old"] * 25 + ["fp_new"]])
def test_a_decided_value_is_no_news(project, admin, values):
    record(project, values)
    while watch.pull(now=LATER):
        pass
    watch.accept(actor=admin, fingerprint=Fingerprint.objects.get(value="fp_new"), now=LATER)

    look()

    assert told() == []


def test_a_pool_that_stumbles_keeps_no_other_from_being_looked_at(project, caplog):
    record(project, ["fp_old"] * 25 + ["fp_new"], model="bad")
    record(project, ["fp_old"] * 25 + ["fp_new"], model="good")

    with refusing("reviewapp_changeevent", "NEW.model = 'bad'"):
        look()
        assert set(ChangeEvent.objects.values_list("model", flat=True)) == {"good"}
    look()

    assert set(ChangeEvent.objects.values_list("model", flat=True)) == {"good", "bad"}
    assert "A pool could not be dealt with" in caplog.text
