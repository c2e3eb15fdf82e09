"""What people said goes out by each format that can carry it, and comes back the same."""

from __future__ import annotations

import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from reviewapp.formats.imports import read_file
from reviewapp.models import (
    Annotation,
    AuditEntry,
    Export,
    FileImport,
    Flag,
    Interaction,
    Person,
    Queue,
    QueueItem,
    QueueSlot,
    Rubric,
)
from reviewapp.models.filters import Filter
from reviewapp.pure.ids import renamed_id
from reviewapp.stages import administer, export, review
from reviewapp.stages.record import uploads
from tests.factories import (
    NOW,
    fill_queue,
    make_actor,
    make_attempt,
    make_interaction,
    make_project,
    make_queue,
    make_run,
)

LATER = NOW + timedelta(days=1)
CARRYING = ["jsonl", "bundle", "label-studio", "argilla", "otlp-evaluations"]
SAYING = uploads.Saying(foresee=review.foresee, bring=review.bring)


def exported(actor: Any, kind: str, **wanted: str) -> Path:
    asked = export.start_export(actor=actor, format=kind, wanted=Filter(**wanted), now=LATER)
    export.make_export(export_id=asked.pk)
    made = Export.objects.get(pk=asked.pk)
    assert made.state == "done", made.error
    return export.file_of(made)


def brought(actor: Any, path: Path) -> FileImport:
    """The file, looked through and recorded."""
    data = path.read_bytes()
    file = uploads.bring_file(actor=actor, name=path.name, size=len(data), pieces=[data], now=LATER)
    uploads.work_on_file(import_id=file.pk, saying=SAYING)
    file.refresh_from_db()
    assert file.state == "checked", file.error
    uploads.start_file(actor=actor, file=file, now=LATER)
    uploads.work_on_file(import_id=file.pk, saying=SAYING)
    file.refresh_from_db()
    assert file.state == "done", file.error
    return file


def said_in(project: Any, *, into: Any = None) -> set[str]:
    """Every judgement, as a text that names its interaction as `into` would call it."""
    rows = Annotation.objects.filter(project=project, removed_at__isnull=True)
    return {
        json.dumps(
            [
                str(renamed_id(one.interaction_id, project=into.pk) if into else one.interaction_id),
                one.created_by.address or one.created_by.short_name,
                one.scores,
                one.spans,
                one.correction,
                one.comment,
                one.preference,
                one.created_at.isoformat(),
                [one.rubric.name, one.rubric.version] if one.rubric else None,
            ],
            sort_keys=True,
        )
        for one in rows.select_related("created_by", "rubric")
    }


@pytest.fixture
def judged(project, admin, reviewer):
    """A project in which people agreed, differed and were decided between, skipped, and compared a replay."""
    other = make_actor(project=project, role="reviewer")
    queue = make_queue(project=project, name="Refunds", judgements_needed=2)
    rows = [make_interaction(project=project, answer="Within five days. 🙂 Sure.") for _ in range(3)]
    fill_queue(queue, *rows, reason="sample of ten percent")

    def judge(actor: Any, row: Any, **said: Any) -> None:
        slot = review.take(actor=actor, queue=queue, now=NOW)
        while slot.item.interaction_id != row.pk:
            slot = review.take(actor=actor, queue=queue, now=NOW, beside=[slot.pk])
        review.judge(actor=actor, slot_id=slot.pk, judgement=review.Judgement(**said), now=NOW)

    good = {"verdict": "good", "correct": True, "helpful": 5}
    judge(reviewer, rows[0], scores=good, comment="clear")
    judge(other, rows[0], scores=good)
    judge(
        reviewer,
        rows[1],
        scores={"verdict": "minor", "correct": False, "helpful": 2, "remarks": "be brief"},
        spans=[
            {"start": 7, "end": 11, "label": "wrong", "note": "it is three"},
            {"start": 18, "end": 19, "label": "tone"},
        ],
        correction="Within three days.",
    )
    judge(other, rows[1], scores={"verdict": "good", "correct": True})
    (disputed,) = QueueItem.objects.filter(interaction=rows[1])
    chosen = disputed.slots.get(person=reviewer.person).annotation_id
    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=chosen, now=NOW)
    for actor in (reviewer, other, admin):
        slot = review.take(actor=actor, queue=queue, now=NOW)
        review.skip(actor=actor, slot_id=slot.pk, now=NOW)
    review.flag(actor=reviewer, interaction=rows[0], reason="Wrong", severity="high", note="look", now=NOW)
    run = make_run(project=project)
    attempt = make_attempt(
        run=run,
        original=rows[0],
        verdict="backend_changed",
        answer=make_interaction(project=project, answer="In a week.", replay_of=rows[0]),
    )
    pair = make_queue(project=project, name="Pairs", kind="pairwise")
    review.enqueue(queue=pair, entries=[review.Entry(rows[0].pk, attempt.pk)], reason="by hand", now=NOW)
    slot = review.take(actor=other, queue=pair, now=NOW)
    review.judge(
        actor=other, slot_id=slot.pk, judgement=review.Judgement(scores={}, preference="original"), now=NOW
    )
    return rows


@pytest.mark.parametrize("kind", CARRYING)
def test_every_judgement_comes_back_by_its_person_in_a_fresh_project(project, admin, judged, kind):
    fresh = make_project()
    keeper = make_actor(project=fresh)
    if kind == "otlp-evaluations":
        # Events speak of answers; those come by another file.
        brought(keeper, exported_bare(admin))

    file = brought(keeper, exported(admin, kind))

    assert len(said_in(fresh)) == 5
    assert said_in(fresh) == said_in(project, into=fresh)
    assert file.brought["judgements"] == 5
    assert file.brought["wrong"] == []


def exported_bare(actor: Any) -> Path:
    """All interactions, replays' answers too, and nothing that people said of them."""
    path = exported(actor, "jsonl", replays="all")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        for name in ("annotations", "flags", "queues", "replays"):
            line[name] = []
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


@pytest.mark.parametrize("kind", CARRYING)
def test_what_queues_came_to_comes_back(project, admin, reviewer, judged, kind):
    fresh = make_project()
    keeper = make_actor(project=fresh)
    if kind == "otlp-evaluations":
        brought(keeper, exported_bare(admin))

    brought(keeper, exported(admin, kind))

    queue = Queue.objects.get(project=fresh, name="Refunds")
    items = {item.interaction_id: item for item in QueueItem.objects.filter(queue=queue)}
    decided = items[renamed_id(judged[1].pk, project=fresh.pk)]
    assert queue.state == "closed"
    assert decided.state == "done"
    assert decided.authoritative.created_by == reviewer.person
    assert decided.adjudicated_by == admin.person
    assert decided.reason == "sample of ten percent"
    if kind != "otlp-evaluations":
        skipped = items[renamed_id(judged[2].pk, project=fresh.pk)]
        assert QueueSlot.objects.filter(item=skipped, state="skipped").count() == 3


@pytest.mark.parametrize("kind", CARRYING)
def test_bringing_a_file_again_brings_nothing_again(project, admin, judged, kind):
    fresh = make_project()
    keeper = make_actor(project=fresh)
    brought(keeper, exported_bare(admin))
    path = exported(admin, kind)
    brought(keeper, path)
    before = (said_in(fresh), Flag.objects.count(), QueueItem.objects.count(), Person.objects.count())

    again = brought(keeper, path)

    assert (said_in(fresh), Flag.objects.count(), QueueItem.objects.count(), Person.objects.count()) == before
    assert (again.brought["judgements"], again.brought["judgements_known"]) == (0, 5)


def test_a_judgement_that_is_here_stays_as_it_is(project, admin, reviewer, judged):
    path = exported(admin, "jsonl")
    mine = Annotation.objects.filter(created_by=reviewer.person).first()
    review.edit_annotation(
        actor=reviewer, annotation=mine, version=1, scores={"verdict": "bad", "correct": False}, now=LATER
    )
    before = said_in(project)

    file = brought(admin, path)

    assert said_in(project) == before
    assert file.brought["judgements_known"] == 5


def test_what_would_come_is_told_before_anything_is_kept(project, admin, judged):
    fresh = make_project()
    keeper = make_actor(project=fresh)
    data = exported(admin, "jsonl").read_bytes()

    file = uploads.bring_file(actor=keeper, name="x", size=len(data), pieces=[data], now=LATER)
    uploads.work_on_file(import_id=file.pk, saying=SAYING)

    file.refresh_from_db()
    assert (file.found["said"]["judgements"], file.found["said"]["flags"]) == (5, 1)
    assert not Annotation.objects.filter(project=fresh).exists()


def line_with(*annotations: dict[str, Any], **more: Any) -> bytes:
    response = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}}]}
    row = {"request": {"model": "m", "messages": []}, "response": response, "annotations": annotations}
    return json.dumps(row | more).encode()


def file_of(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "file").write_bytes(data)
    return tmp_path / "file"


def test_who_has_no_account_becomes_an_outside_reviewer_and_can_be_invited(project, admin, tmp_path):
    one = {"scores": {"correct": True}, "created_by": "Ada@Example.org"}
    other = {"scores": {"correct": False}, "person": {"name": "Dr. Grace", "email": None}}

    file = brought(admin, file_of(tmp_path, line_with(one, other)))

    said = Annotation.objects.select_related("created_by")
    ada, grace = sorted((one.created_by for one in said), key=lambda person: person.short_name)
    assert file.brought["outside"] == ["Ada@Example.org", "Dr. Grace"]
    assert (ada.email, ada.is_active, ada.has_usable_password()) == ("Ada@Example.org", False, False)
    assert (grace.address, grace.short_name) == (None, "Dr. Grace")
    _member, token = administer.invite(actor=admin, email="ada@example.org", role="reviewer", now=NOW)
    assert administer.use_sign_in_link(token=token, now=NOW) == ada


def test_what_does_not_fit_is_told_and_the_rest_is_taken(project, admin, tmp_path):
    lines = line_with(
        {"scores": {"correct": True}, "created_by": "a@example.org"},
        {"scores": {}, "created_by": "b@example.org"},
        {"spans": [{"start": 2, "end": 900, "label": "wrong"}], "created_by": "c@example.org"},
        {"scores": {"correct": [1]}, "created_by": "d@example.org"},
    )

    file = brought(admin, file_of(tmp_path, lines))

    assert [one.created_by.email for one in Annotation.objects.all()] == ["a@example.org"]
    assert [reason.partition(":")[0] for reason in file.brought["wrong"]] == [
        "annotations.1",
        "annotations.3",
        f"c@example.org of {Interaction.objects.get().pk}",
    ]


def test_answers_to_other_questions_bring_their_rubric(project, admin, tmp_path):
    rubric = {
        "name": "Tone",
        "version": 3,
        "questions": [{"key": "kind", "label": "Kind?", "kind": "boolean"}],
    }
    said = {"rubric": {"name": "Tone", "version": 3}, "scores": {"kind": True}, "created_by": "a@example.org"}

    brought(admin, file_of(tmp_path, line_with(said, rubrics=[rubric])))

    made = Annotation.objects.get().rubric
    assert (made.name, made.version, made.is_default, made.is_current) == ("Tone", 3, False, False)
    assert Rubric.objects.get(project=project, is_default=True) != made


def test_events_of_answers_that_are_not_here_are_left_out_and_told(project, admin, judged):
    keeper = make_actor(project=make_project())

    file = brought(keeper, exported(admin, "otlp-evaluations"))

    assert (file.brought["judgements"], file.brought["absent"]) == (0, 5)


def test_bringing_leaves_an_audit_entry_that_names_who_was_made(project, admin, tmp_path):
    brought(admin, file_of(tmp_path, line_with({"scores": {"correct": True}, "created_by": "a@example.org"})))

    entry = AuditEntry.objects.get(action="judgements.bring")
    assert entry.person == admin.person
    assert (entry.detail["judgements"], entry.detail["outside_reviewers"]) == (1, ["a@example.org"])


def test_a_task_that_label_studio_exported_is_an_answer_with_judgements(project, admin, tmp_path):
    result = [
        {"from_name": "correct", "to_name": "t", "type": "choices", "value": {"choices": ["true"]}},
        {"from_name": "helpful", "to_name": "t", "type": "rating", "value": {"rating": 4}},
        {
            "id": "r1",
            "from_name": "l",
            "to_name": "t",
            "type": "labels",
            "value": {"start": 0, "end": 3, "labels": ["tone"]},
        },
    ]
    annotations = [
        {
            "id": 1,
            "completed_by": 7,
            "result": result,
            "was_cancelled": False,
            "created_at": "2026-01-02T03:04:05Z",
        },
        {"id": 2, "completed_by": {"email": "a@example.org"}, "result": [], "was_cancelled": True},
    ]
    task = {"id": 5, "project": 1, "data": {"prompt": "Hi?", "answer": "Yes."}, "annotations": annotations}

    brought(admin, file_of(tmp_path, json.dumps([task]).encode()))

    one = Annotation.objects.get()
    assert one.scores == {"correct": True, "helpful": 4}
    assert one.spans == [{"start": 0, "end": 3, "label": "tone", "note": ""}]
    assert one.created_by.short_name == "Label Studio user 7"
    assert one.interaction.answer_preview == "Yes."
    assert QueueSlot.objects.get(state="skipped").person.email == "a@example.org"


def test_an_evaluation_of_another_tool_finds_its_answer_by_the_trace(project, admin, tmp_path):
    row = make_interaction(project=project, trace="0af7651916cd43dd8448eb211c80319c")
    attributes = [
        {"key": "gen_ai.evaluation.name", "value": {"stringValue": "Relevance"}},
        {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 4.0}},
        {"key": "gen_ai.evaluation.explanation", "value": {"stringValue": "to the point"}},
    ]
    event = {
        "eventName": "gen_ai.evaluation.result",
        "traceId": row.trace,
        "timeUnixNano": "1",
        "attributes": attributes,
    }
    request = {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "judge"}, "logRecords": [event]}]}]}

    brought(admin, file_of(tmp_path, json.dumps(request).encode()))

    one = Annotation.objects.get()
    assert (one.interaction, one.scores, one.comment) == (row, {"Relevance": 4.0}, "to the point")
    assert (one.created_by.short_name, one.rubric) == ("judge", None)


# ---- by property ----

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "verdict": st.sampled_from(["good", "minor", "bad"]),
        "correct": st.booleans(),
        "helpful": st.integers(1, 5),
        "remarks": TEXTS,
    },
)
SPANS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 4), st.sampled_from(["wrong", "tone"]), st.just("") | TEXTS),
    max_size=3,
).map(lambda found: [{"start": a, "end": a + n, "label": label, "note": note} for a, n, label, note in found])
JUDGEMENTS = st.fixed_dictionaries(
    {"scores": ANSWERS, "spans": SPANS, "correction": st.none() | TEXTS, "comment": st.just("") | TEXTS}
).filter(lambda said: any((said["scores"], said["spans"], said["comment"], said["correction"] is not None)))


class TestAnyJudgement(TestCase):
    @settings(max_examples=15)
    @given(said=st.lists(JUDGEMENTS, min_size=1, max_size=4), kind=st.sampled_from(CARRYING))
    def test_comes_back_the_same(self, said, kind):
        project = make_project()
        admin = make_actor(project=project)
        row = make_interaction(project=project, answer="💡 twelve or more")
        people = [make_actor(project=project), make_actor(project=project)]
        for at, one in enumerate(said):
            values = {**one, "scores": dict(one["scores"])}
            Annotation.objects.create(
                project=project,
                interaction=row,
                rubric=Rubric.objects.get(project=project),
                created_by=people[at % 2].person,
                created_at=NOW + timedelta(seconds=at),
                updated_at=NOW + timedelta(seconds=at),
                **{**values, "spans": sorted(values["spans"], key=lambda span: (span["start"], span["end"]))},
            )
        fresh = make_project()
        keeper = make_actor(project=fresh)
        if kind == "otlp-evaluations":
            brought(keeper, exported_bare(admin))

        brought(keeper, exported(admin, kind))

        assert said_in(fresh) == said_in(project, into=fresh)


# ---- what the files look like to those for whom they are made ----


def test_label_studio_gets_tasks_and_a_configuration_that_names_every_control(project, admin, judged):
    with zipfile.ZipFile(exported(admin, "label-studio")) as archive:
        tasks = json.loads(archive.read("tasks.json"))
        config = ElementTree.fromstring(archive.read("labeling-config.xml"))

    controls = {tag.get("name"): tag for tag in config.iter() if tag.get("toName")}
    results = [result for task in tasks for one in task["annotations"] for result in one["result"]]
    assert {result["from_name"] for result in results} <= controls.keys()
    assert {"choices", "rating", "labels", "textarea"} == {result["type"] for result in results}
    assert {tag.get("toName") for tag in controls.values()} == {"answer"}
    assert all(task["predictions"] == [] for task in tasks)
    marked = next(result for result in results if result["type"] == "labels")
    assert marked["value"] == {"start": 7, "end": 11, "text": "five", "labels": ["wrong"]}
    assert sum(one["was_cancelled"] for task in tasks for one in task["annotations"]) == 3


def test_argilla_gets_settings_that_every_response_fits(project, admin, judged):
    with zipfile.ZipFile(exported(admin, "argilla")) as archive:
        records = json.loads(archive.read("records.json"))
        asked = json.loads(archive.read(".argilla/settings.json"))
        assert json.loads(archive.read(".argilla/dataset.json"))["allow_extra_metadata"] is True

    questions = {question["name"]: question for question in asked["questions"]}
    fields = {field["name"] for field in asked["fields"]}
    for record in records:
        assert record["fields"].keys() == fields
        assert all(isinstance(value, str) for value in record["metadata"].values())
        for name, responses in record["responses"].items():
            options = [option["value"] for option in questions[name]["settings"].get("options", [])]
            for response in responses:
                if questions[name]["settings"]["type"] in ("label_selection", "rating"):
                    assert response["value"] in options
    # Argilla takes no dataset that requires nothing, and no submitted response that leaves that out.
    required = {name for name, question in questions.items() if question["required"]}
    submitted = [answered for record in records for answered in submitted_in(record).values()]
    assert required
    assert submitted
    assert all(required <= answered for answered in submitted)


def submitted_in(record: dict[str, Any]) -> dict[str, set[str]]:
    """Which questions each person's submitted response answers."""
    found: dict[str, set[str]] = {}
    for name, responses in record["responses"].items():
        for response in responses:
            if response["status"] == "submitted":
                found.setdefault(response["user_id"], set()).add(name)
    return found


def test_evaluation_events_follow_the_conventions(project, admin, judged):
    lines = [json.loads(line) for line in exported(admin, "otlp-evaluations").read_text().splitlines()]

    records = [
        record
        for line in lines
        for group in line["resourceLogs"]
        for scope in group["scopeLogs"]
        for record in scope["logRecords"]
    ]
    told = [{one["key"]: one["value"] for one in record["attributes"]} for record in records]
    assert {record["eventName"] for record in records} == {"gen_ai.evaluation.result"}
    assert all(record["timeUnixNano"].isdigit() for record in records)
    assert all("gen_ai.evaluation.name" in one for one in told)
    assert all(one["gen_ai.response.id"] == {"stringValue": "chatcmpl-test"} for one in told)
    helpful = next(one for one in told if one["gen_ai.evaluation.name"]["stringValue"] == "helpful")
    assert helpful["gen_ai.evaluation.score.value"] == {"doubleValue": 5.0}


def test_the_manifest_and_the_lines_tell_how_well_people_agree(project, admin, judged):
    path = exported(admin, "bundle")

    with zipfile.ZipFile(path) as archive:
        agreement = json.loads(archive.read("agreement.json"))
        rows = [json.loads(line) for line in archive.read("interactions.jsonl").splitlines()]
    verdict = next(one for one in agreement["questions"] if one["question"] == "verdict")
    assert (verdict["items"], verdict["people"], verdict["percent"], verdict["kappa_of"]) == (
        2,
        2,
        0.5,
        "Cohen",
    )
    assert rows[0]["agreement"] == {"verdict": 1.0, "correct": 1.0, "helpful": 1.0}
    assert [one["authoritative"] for one in rows[1]["annotations"]] == [True, False]


def test_who_has_still_to_judge_exports_nothing_that_a_blind_queue_hides(project, reviewer):
    other = make_actor(project=project, role="reviewer")
    queue = make_queue(project=project, judgements_needed=2, blind=True)
    fill_queue(queue)
    slot = review.take(actor=other, queue=queue, now=NOW)
    review.judge(
        actor=other,
        slot_id=slot.pk,
        judgement=review.Judgement(scores={"verdict": "good", "correct": True}),
        now=NOW,
    )

    (row,) = [json.loads(line) for line in exported(reviewer, "jsonl").read_text().splitlines()]
    (theirs,) = [json.loads(line) for line in exported(other, "jsonl").read_text().splitlines()]

    assert (row["annotations"], row["queues"][0]["places"]) == ([], [])
    assert len(theirs["annotations"]) == 1


def test_a_preferred_original_becomes_a_preference_pair(project, admin, judged):
    lines = [json.loads(line) for line in exported(admin, "preferences").read_text().splitlines()]

    pairs = [
        (line["preferred_output"][0]["content"], line["non_preferred_output"][0]["content"]) for line in lines
    ]
    assert ("Within five days. 🙂 Sure.", "In a week.") in pairs


def test_formats_are_recognised_by_what_is_in_the_file(project, admin, judged):
    found = {}
    for kind in CARRYING:
        with exported(admin, kind).open("rb") as file:
            found[kind], lines = read_file(file)
            assert all(line.recorded is not None or line.said is not None for line in lines)

    assert found == {kind: "jsonl" if kind == "bundle" else kind for kind in CARRYING}
