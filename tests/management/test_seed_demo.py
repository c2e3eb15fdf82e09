from __future__ import annotations

from reviewapp.management.commands.seed_demo import replay_flagged
from reviewapp.models import Attempt, ReplayRun
from tests import factories


def test_where_nothing_was_flagged_nothing_is_replayed(reviewer):
    replay_flagged(reviewer=reviewer, flagged=[])

    assert not ReplayRun.objects.exists()


def test_the_flagged_answers_are_asked_three_times(project, admin):
    provider = factories.make_provider(project=project, base_url="http://127.0.0.1:1/v1")
    one = factories.make_interaction(project=project, provider=provider)

    replay_flagged(reviewer=admin, flagged=[str(one.pk)])

    assert Attempt.objects.filter(original=one).count() == 3
