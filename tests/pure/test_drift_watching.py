"""The rolling baseline, and what a check adds to the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from benchmarks.detection.canaries import watch_days
from reviewapp.pure.drift import watching
from reviewapp.pure.drift.panel import Abilities, Question
from reviewapp.pure.drift.rows import Row
from reviewapp.pure.drift.sequential import Detector
from reviewapp.pure.drift.starter import chosen, hesitation, plan
from reviewapp.pure.drift.watching import Kept, Standing
from reviewapp.pure.exchange import Alternative, Choice, Reply, Token

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def kept(number, *, hours_ago, captured=False):
    return Kept(id=UUID(int=number), at=NOW - timedelta(hours=hours_ago), captured=captured)


def row(*, days_ago):
    return Row(prompt="p", session=f"s{days_ago}", at=NOW - timedelta(days=days_ago))


def test_of_hourly_checks_every_second_comes_in():
    checks = [kept(number, hours_ago=number) for number in range(24)]

    assert len(watching.rolling(checks, now=NOW)) in {12, 13}


def test_checks_leave_after_a_week_and_captured_sessions_after_a_month():
    sessions = [
        kept(1, hours_ago=24 * 8),
        kept(2, hours_ago=24 * 6),
        kept(3, hours_ago=24 * 20, captured=True),
        kept(4, hours_ago=24 * 40, captured=True),
    ]

    assert watching.rolling(sessions, now=NOW) == [UUID(int=3), UUID(int=2)]


def test_captured_sessions_minutes_apart_all_stay():
    sessions = [kept(number, hours_ago=number / 60, captured=True) for number in range(3)]

    assert len(watching.rolling(sessions, now=NOW)) == 3


def test_rows_of_three_days_count_by_the_day():
    few = [row(days_ago=0), row(days_ago=1)]
    many = [*few, row(days_ago=2)]

    assert watching.in_sessions(few) == few
    assert [one.session for one in watching.in_sessions(many)] == ["2026-11-22", "2026-11-21", "2026-11-20"]


def test_where_most_of_the_baselines_own_texts_are_new_a_check_asks_oftener():
    assert watching.routine_rows(wanted=1, own_unseen=0.4) == 1
    assert watching.routine_rows(wanted=1, own_unseen=0.6) == 5
    assert watching.routine_rows(wanted=8, own_unseen=0.6) == 8


def test_a_look_within_what_is_ordinary_is_no_evidence():
    gathered = watching.gathered(Detector(), [(), ()])

    assert gathered.evidence < 1


def test_a_confirmed_change_alarms_alone_and_waits_among_many():
    own = Standing(evidence=300.0, confirmed=True)

    assert watching.alarms(own=own, others=[])
    assert watching.alarms(own=own, others=[Standing(evidence=1.0)] * 14)
    assert not watching.alarms(own=own, others=[Standing(evidence=1.0)] * 49)


def test_evidence_that_is_not_confirmed_alarms_only_at_the_level():
    assert not watching.alarms(own=Standing(evidence=999.0), others=[])
    assert watching.alarms(own=Standing(evidence=1000.0), others=[])


def test_a_day_of_hourly_canaries_without_a_change_raises_no_alarm():
    days = watch_days(rng=np.random.default_rng(7), days=1, endpoints=10)

    assert (days.checks, days.false_alarms) == (240, 0)


def reply(*logprobs, text="a"):
    top = tuple(Alternative(token=chr(97 + place), logprob=value) for place, value in enumerate(logprobs))
    token = Token(text=text, logprob=logprobs[0] if logprobs else None, alternatives=top)
    return Reply(choices=(Choice(text=text, tokens=(token,) if logprobs else ()),))


def test_the_starter_set_takes_the_questions_where_the_model_hesitates_most():
    questions = [Question(f"q{number}", "token", 1) for number in range(30)]
    replies = [(one, reply(-0.1, -0.1 - place, -40.0)) for place, one in enumerate(questions)]

    assert [one.prompt for one in chosen(replies)] == [f"q{number}" for number in range(20)]
    assert hesitation(reply()) is None


def test_border_questions_without_log_probabilities_are_those_that_answer_in_turns():
    sure, torn = Question("sure", "border", 1), Question("torn", "border", 1)
    replies = [(sure, reply(text="a"))] * 3 + [(torn, reply(text=text)) for text in "aab"]

    assert chosen(replies) == [torn]


def test_the_plan_follows_what_the_provider_gives():
    whole = plan(Abilities(alternatives=20, seed_honoured=True))
    unseeded = plan(Abilities(alternatives=20, seed_honoured=False))
    texts = plan(Abilities(alternatives=0, seed_honoured=True))
    bare = plan(Abilities(alternatives=0, seed_honoured=False))

    assert len(whole.candidates) == 40
    assert [one.kind for one in whole.texts] == ["seeded"] * 5 + ["plain"] * 3
    assert unseeded == replace(whole, texts=())
    assert ([one.kind for one in texts.texts].count("plain"), texts.candidates) == (3, ())
    assert (bare.candidates[0].kind, bare.probes) == ("border", 3)
