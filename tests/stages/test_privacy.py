"""Deleting: by age, by person; what is held stays, what is erased is in no table and no file."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewapp.formats.interchange import read_interaction
from reviewapp.models import (
    AuditEntry,
    Erasure,
    Export,
    FailedMessage,
    FileImport,
    Interaction,
    InteractionBody,
    InteractionText,
    Pseudonym,
    Reuse,
    SavedView,
    WaitingWords,
)
from reviewapp.models.filters import Filter
from reviewapp.pure.ids import new_id
from reviewapp.pure.said import said, stored
from reviewapp.stages import discuss, export, privacy, record, review
from reviewapp.stages.administer import Refused
from reviewapp.stages.find import learning
from reviewapp.stages.privacy import erasing
from reviewapp.stages.privacy.erasing import digest_of, is_genuine
from reviewapp.stages.privacy.retaining import RuleValues
from reviewapp.stages.record import uploads
from tests import factories
from tests.factories import NOW
from tests.scanning import where

pytestmark = pytest.mark.django_db

WHO = "zanzibar-4711"
LATER = NOW + timedelta(days=100)


@pytest.fixture(autouse=True)
def data(settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def said_by(project, user: str = WHO, **sent) -> Interaction:
    """Recorded as everything is, with log probabilities; its words still wait to be indexed."""
    logprobs = {
        "content": [{"token": f"{word} ", "logprob": -0.1} for word in ("Quuxly", "Frobnicate", "ends")]
    }
    answer = {"message": {"role": "assistant", "content": "Quuxly Frobnicate ends "}, "logprobs": logprobs}
    whole = {
        "request": {"model": "m", "messages": [{"role": "user", "content": f"I am {WHO}, Quuxly"}]},
        "response": {"choices": [answer]},
        "user": user,
        "session": user,
        "tags": [f"of-{user}"],
        "metadata": {"who": user},
    } | sent
    arrival = record.Arrival(
        id=new_id(), project_id=project.pk, received_at=NOW, content=read_interaction(json.dumps(whole))
    )
    assert record.record_now(arrivals=[arrival], now=NOW).set_aside == ()
    return Interaction.objects.get(pk=arrival.id)


def erased(admin, name: str = WHO) -> Erasure:
    made = privacy.start_erasure(actor=admin, name=name, now=LATER)
    privacy.erase(erasure_id=made.pk, clock=lambda: LATER)
    made.refresh_from_db()
    assert made.state == "done"
    return made


def rule(admin, **values):
    return privacy.add_rule(actor=admin, values=RuleValues(**{"days": 30} | values), now=NOW)


def retained(rule, now=LATER) -> None:
    while privacy.retain(rule_id=rule.pk, now=now):
        pass


# ---- one person ----


def test_nothing_of_an_erased_person_is_left_in_any_table_or_file(project, admin, reviewer, data):
    one = said_by(project)
    record.index_words()
    said_by(project)
    learning.learn(now=LATER)
    review.flag(actor=reviewer, interaction=one, reason="Wrong", severity="low", note=WHO, now=NOW)
    other = factories.make_interaction(project=project)
    review.flag(actor=reviewer, interaction=other, reason="Wrong", severity="low", note=f"As {WHO}.", now=NOW)
    discuss.start_thread(actor=reviewer, interaction=one, text=f"Who is {WHO}?", now=NOW)
    review.add_tag(actor=reviewer, interaction=one, name="golden", now=NOW)
    run = factories.make_run(project=project, verdicts=["identical"])
    factories.make_attempt(run=run, original=one, verdict="nondeterministic")
    factories.make_study(
        project=project, interaction=one, conditions=[({"kind": "typo", "text": WHO}, [1.0])]
    )
    factories.fill_queue(factories.make_queue(project=project), one)
    Reuse.objects.create(project=project, interaction=other, policy="valid", at=NOW, end_user=WHO)
    factories.make_view(project=project, filter={"user": WHO})
    orphan = record.Arrival(
        new_id(),
        project.pk,
        NOW,
        read_interaction(json.dumps({"request": {"model": "m", "messages": []}, "user": WHO, "error": "x"})),
        replay_of=new_id(),
    )
    record.record_now(arrivals=[orphan], now=NOW)
    made = export.start_export(actor=admin, format="jsonl", wanted=Filter(user=WHO), now=LATER)
    export.make_export(export_id=made.pk)
    assert [path for path in data.rglob("*") if path.is_file()] != []
    assert where("zanzibar") != []

    done = erased(admin)

    assert where("zanzibar") == []
    assert where("quuxly") == []
    assert [path for path in data.rglob("*") if path.is_file()] == []
    assert Export.objects.get(pk=made.pk).state == "failed"
    assert Interaction.objects.filter(pk=other.pk).exists()
    assert done.counts["interaction"] >= 3
    assert done.counts["failedmessage"] == 1


def test_a_composed_text_keeps_the_name_not_in_its_messages_either(project, admin):
    told = factories.make_alert(
        project=project,
        title=said("verbatim", text=f"What {WHO} asked went wrong"),
        text=said("verbatim", text="Look at it."),
    )
    assert where("zanzibar") != []

    erased(admin)

    told.refresh_from_db()
    assert where("zanzibar") == []
    assert told.title == "What [erased] asked went wrong"
    assert (stored(told.text, told.said["text"]), "title" in told.said) == ("Look at it.", False)


def test_others_keep_their_data_and_their_words(project, admin):
    said_by(project)
    kept = said_by(project, user="somebody-else", request={"model": "m", "messages": []})

    erased(admin)
    record.index_words()

    assert list(Interaction.objects.values_list("pk", flat=True)) == [kept.pk]
    assert list(InteractionText.objects.values_list("interaction", flat=True)) == [kept.pk]
    assert WaitingWords.objects.count() == 0


@pytest.mark.parametrize(
    "named", [{"user": WHO}, {"safety_identifier": WHO}, {"metadata": {"user_id": WHO}}], ids=str
)
def test_who_is_named_only_in_the_request_is_erased_too(project, admin, named):
    said_by(project, user="x", metadata={}, request={"model": "m", "messages": []} | named)
    mentioned = said_by(project, user="y", metadata={})

    erased(admin)

    assert list(Interaction.objects.values_list("pk", flat=True)) == [mentioned.pk]


def test_the_certificate_says_what_was_erased_by_whom_and_names_nobody(project, admin):
    said_by(project)

    done = erased(admin)

    told = done.certificate
    assert (told["erased"]["interaction"], told["asked_for_by"]) == (1, admin.person.email)
    assert told["end_user"] == {"hmac_sha256": digest_of(done.salt, WHO), "key": done.salt}
    assert (done.end_user, WHO in json.dumps(told)) == (None, False)
    assert AuditEntry.objects.get(action="person.erased").detail["certificate"] == told["sha256"]
    assert is_genuine(told)
    assert not is_genuine(told | {"kept_by_legal_hold": 1})


def test_a_hold_wins_over_an_erasure_and_the_certificate_says_so(project, admin):
    one, _ = said_by(project), said_by(project)
    privacy.place_hold(actor=admin, reason="A case.", interaction=one.pk, now=NOW)

    done = erased(admin)

    assert list(Interaction.objects.values_list("pk", flat=True)) == [one.pk]
    assert (done.kept, done.certificate["kept_by_legal_hold"]) == (1, 1)


def test_who_is_recorded_under_a_pseudonym_is_found_by_name(project, admin):
    privacy.choose_pseudonyms(actor=admin, now=NOW)
    factories.make_source(project=project, name="careful", redaction={"detectors": ["email"], "patterns": []})
    said_by(project, user="jo@example.org", source="careful", tags=[])
    assert Pseudonym.objects.count() == 1

    erased(admin, "jo@example.org")

    assert (Interaction.objects.count(), Pseudonym.objects.count()) == (0, 0)


def test_an_erasure_that_a_worker_left_is_queued_again(project, admin):
    made = privacy.start_erasure(actor=admin, name=WHO, now=NOW)
    Erasure.objects.filter(pk=made.pk).update(state="running", heartbeat_at=NOW)

    assert privacy.sweep_erasures(now=NOW + timedelta(seconds=30)) == []
    assert privacy.sweep_erasures(now=NOW + timedelta(minutes=5)) == [made.pk]


def test_all_of_a_persons_data_is_taken_along_as_a_file(project, admin):
    one = said_by(project)
    said_by(project, user="somebody-else")

    made = privacy.export_person(actor=admin, name=WHO, now=LATER)
    export.make_export(export_id=made.pk)

    made.refresh_from_db()
    with export.open_file(export=made) as file:
        assert [json.loads(line)["id"] for line in file.read().splitlines()] == [str(one.pk)]
    assert not [column for column in where("zanzibar") if column.startswith("reviewapp_audit")]


def test_an_account_gets_what_is_kept_of_it_without_secrets(project, reviewer):
    one = factories.make_interaction(project=project)
    review.flag(actor=reviewer, interaction=one, reason="Wrong", severity="low", note="Mine.", now=NOW)

    told = privacy.account_data(person=reviewer.person)

    assert told["account"]["email"] == reviewer.person.email
    assert [flag["note"] for flag in told["flags"]] == ["Mine."]
    assert "password" not in told["account"]


# ---- retention ----


def test_what_is_older_than_a_rule_is_deleted_and_told_in_the_audit_log(project, admin):
    factories.make_interaction(project=project)
    young = factories.make_interaction(project=project, started_at=LATER - timedelta(days=29))
    elsewhere = factories.make_interaction(project=factories.make_project())

    retained(rule(admin))

    assert set(Interaction.objects.values_list("pk", flat=True)) == {young.pk, elsewhere.pk}
    detail = AuditEntry.objects.get(action="retention.run").detail
    assert (detail["deleted"]["interaction"], detail["days"]) == (1, 30)


def test_what_is_bare_goes_with_what_is_judged_and_both_are_counted(project, admin, reviewer):
    judged = said_by(project)
    for _ in range(3):
        said_by(project)
    record.index_words()
    run = factories.make_run(project=project, verdicts=["identical"])
    factories.make_attempt(run=run, original=judged, verdict="nondeterministic")
    review.flag(actor=reviewer, interaction=judged, reason="Wrong", severity="low", note="", now=NOW)
    rows = Interaction.objects.count()
    bodies = InteractionBody.objects.count()

    retained(rule(admin))

    assert not Interaction.objects.exists()
    assert not InteractionBody.objects.exists()
    assert not InteractionText.objects.exists()
    told = AuditEntry.objects.get(action="retention.run").detail["deleted"]
    assert (told["interaction"], told["interactionbody"], told["flag"]) == (rows, bodies, 1)
    assert told["interactiontext"] >= 4


def test_to_delete_what_is_bare_no_text_is_read_and_no_other_table_asked_for_each(project, admin):
    for _ in range(3):
        said_by(project)
    record.index_words()
    made = rule(admin)

    with CaptureQueriesContext(connection) as captured:
        retained(made)

    assert not Interaction.objects.exists()
    asked = " ".join(query["sql"] for query in captured.captured_queries)
    assert "reviewapp_interactionbody" not in asked
    assert 'FROM "reviewapp_attempt"' not in asked
    assert 'FROM "reviewapp_annotation"' not in asked


def test_a_rule_can_be_narrowed_to_source_verdict_and_flag(project, admin, reviewer):
    bot = factories.make_source(project=project, name="bot")
    here, flagged = (factories.make_interaction(project=project, source=bot) for _ in range(2))
    there = factories.make_interaction(
        project=project, source=factories.make_source(project=project, name="b")
    )
    review.flag(actor=reviewer, interaction=flagged, reason="Wrong", severity="low", note="", now=NOW)
    run = factories.make_run(project=project, verdicts=[])
    for one in (here, flagged, there):
        factories.make_attempt(run=run, original=one, verdict="identical")

    retained(rule(admin, source=bot, verdict="backend_changed"))
    assert Interaction.objects.originals().count() == 3
    retained(rule(admin, source=bot, verdict="identical", flagged="no"))

    assert set(Interaction.objects.originals().values_list("pk", flat=True)) == {flagged.pk, there.pk}


@pytest.mark.parametrize("held", ["interaction", "source", "answer"])
def test_a_hold_wins_over_a_rule_until_it_is_lifted(project, admin, held):
    one = factories.make_interaction(project=project)
    answer = factories.make_interaction(project=project, replay_of=one)
    covers = {
        "interaction": {"interaction": one.pk},
        "source": {"source": one.source},
        "answer": {"interaction": answer.pk},
    }
    hold = privacy.place_hold(actor=admin, reason="A case.", now=NOW, **covers[held])
    made = rule(admin)

    retained(made)
    assert Interaction.objects.filter(pk=one.pk).exists()
    privacy.lift_hold(actor=admin, hold=hold, now=NOW)
    retained(made)

    assert not Interaction.objects.filter(pk=one.pk).exists()


def test_what_a_canary_asks_is_kept(project, admin):
    factories.make_canaries(project=project)

    retained(rule(admin))

    assert Interaction.objects.count() == 1


def test_a_preview_says_how_many_would_go_and_how_many_a_hold_keeps(project, admin):
    one, other = (factories.make_interaction(project=project) for _ in range(2))
    privacy.place_hold(actor=admin, reason="A case.", interaction=one.pk, now=NOW)

    told = privacy.would_go(actor=admin, values=RuleValues(days=30), now=LATER)

    assert (told.count.n, told.held.n, told.oldest) == (1, 1, other.started_at)
    assert Interaction.objects.count() == 2


def test_a_rule_for_everything_takes_old_messages_and_files_of_exports_along(project, admin, data):
    FailedMessage.objects.create(project=project, payload=b"x", digest=b"x" * 32, error="x", created_at=NOW)
    made = export.start_export(actor=admin, format="jsonl", wanted=Filter(), now=NOW)
    export.make_export(export_id=made.pk)

    retained(rule(admin))

    assert FailedMessage.objects.count() == 0
    assert [path for path in data.rglob("*") if path.is_file()] == []


def test_a_rule_of_no_days_is_refused(admin):
    with pytest.raises(Refused):
        rule(admin, days=0)


# ---- pseudonyms ----


def test_a_pseudonym_is_looked_up_with_a_reason_that_the_audit_log_keeps(project, admin):
    privacy.choose_pseudonyms(actor=admin, now=NOW)
    factories.make_source(project=project, name="careful", redaction={"detectors": ["email"], "patterns": []})
    one = said_by(project, user="jo@example.org", source="careful")

    assert privacy.reveal(actor=admin, text=one.end_user, reason="Asked to.", now=NOW) == "jo@example.org"

    detail = AuditEntry.objects.get(action="pseudonym.reveal").detail
    assert detail == {"pseudonym": one.end_user, "reason": "Asked to."}


def test_forgotten_pseudonyms_can_not_be_looked_up(project, admin):
    privacy.choose_pseudonyms(actor=admin, now=NOW)
    factories.make_source(project=project, name="careful", redaction={"detectors": ["email"], "patterns": []})
    one = said_by(project, user="jo@example.org", source="careful", tags=[])

    assert privacy.forget_pseudonyms(actor=admin, now=NOW) == 1

    with pytest.raises(Refused):
        privacy.reveal(actor=admin, text=one.end_user, reason="Asked to.", now=NOW)


def test_views_that_name_an_erased_person_stay_and_name_nobody(project, admin):
    view = factories.make_view(project=project, filter={"user": WHO, "model": "m"})

    erased(admin)

    assert SavedView.objects.get(pk=view.pk).filter == {"user": "[erased]", "model": "m"}


def escaped(line: bytes) -> bytes:
    """As writers of JSON have it who write all but letters and digits as escapes."""
    return line.replace(WHO.encode(), WHO.replace("-", "\\u002D").encode())


@pytest.mark.parametrize("pack", [bytes, gzip.compress, escaped])
def test_a_file_that_waits_under_import_and_names_somebody_is_thrown_away(project, admin, data, pack):
    def bring(user: str) -> FileImport:
        line = json.dumps({"request": {"model": "m", "messages": []}, "user": user}).encode()
        return uploads.bring_file(
            actor=admin, name=f"{user[:3]}.jsonl", size=len(line), pieces=[pack(line)], now=NOW
        )

    named, other = bring(WHO), bring("somebody-else")

    done = erased(admin)

    assert FileImport.objects.get(pk=named.pk).state == "cancelled"
    assert FileImport.objects.get(pk=other.pk).state == "checking"
    assert [path.parent.name for path in data.rglob("file")] == [str(other.pk)]
    assert done.certificate["erased"] == {"import file": 1}


def test_every_request_is_read_once_and_nothing_is_written_where_nothing_is_found(
    project, admin, monkeypatch
):
    for number in range(6):
        said_by(project, f"other-{number}", request={"model": "m", "messages": []})
    monkeypatch.setattr(erasing, "READ", 1)

    with CaptureQueriesContext(connection) as asked:
        erased(admin)

    statements = [one["sql"] for one in asked.captured_queries]
    reading = [sql for sql in statements if 'FROM "reviewapp_interactionbody"' in sql]
    assert len(reading) == 6
    # Joined to their calls, those that were read before were gone through again for each of the next.
    assert [sql for sql in reading if "JOIN" in sql or '"response"' in sql] == []
    # It is taken, and it is done.
    assert len([sql for sql in statements if sql.startswith('UPDATE "reviewapp_erasure"')]) == 2
