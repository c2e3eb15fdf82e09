"""Redaction: what a source hides is in no table, whichever way it came; what the caller gets is untouched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reviewapp.formats.interchange import read_interaction
from reviewapp.models import FailedMessage, Interaction, ProjectPrivacy, Pseudonym, Source
from reviewapp.models.bodies import recorded_of
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from reviewapp.stages.record import second_try
from tests import factories
from tests.factories import NOW
from tests.scanning import where

pytestmark = pytest.mark.django_db

ALL = {"detectors": ["key", "iban", "card", "email", "ip", "phone"], "patterns": []}
EMAIL, CARD = "zanzibar.quux@example.org", "4111111111111111"


@pytest.fixture
def source(project):
    return factories.make_source(project=project, name="careful", redaction=ALL)


def posted(project, *, source: str = "careful", **sent: Any) -> record.Arrival:
    request = {"model": "m", "messages": [{"role": "user", "content": f"I am {EMAIL}, card {CARD}."}]}
    whole = {"source": source, "request": request, "response": None, "error": "it broke"} | sent
    return record.Arrival(
        id=new_id(), project_id=project.pk, received_at=NOW, content=read_interaction(json.dumps(whole))
    )


def streamed(project, source, *pieces: str, request: bytes | None = None) -> record.Arrival:
    chunks = [
        {
            "id": "c",
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": piece},
                    "logprobs": {
                        "content": [
                            {
                                "token": piece,
                                "bytes": list(piece.encode()),
                                "logprob": -0.5,
                                "top_logprobs": [
                                    {"token": piece, "bytes": list(piece.encode()), "logprob": -0.5}
                                ],
                            }
                        ]
                    },
                }
            ],
        }
        for piece in pieces
    ]
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    wire = record.Wire(
        endpoint="chat.completions",
        request=request or json.dumps({"model": "m", "messages": [], "stream": True}).encode(),
        response=events.encode(),
        content_type="text/event-stream",
        status=200,
        started_at=NOW,
        user=EMAIL,
    )
    return record.Arrival(
        id=new_id(), project_id=project.pk, received_at=NOW, content=wire, source_id=source.pk
    )


def recorded(*arrivals: record.Arrival) -> list[Interaction]:
    outcome = record.record_now(arrivals=arrivals, now=NOW)
    assert outcome.set_aside == ()
    return list(Interaction.objects.filter(pk__in=[one.id for one in arrivals]).select_related("body"))


def test_what_a_source_hides_is_in_no_table_before_and_after_its_words_are_indexed(project, source):
    answer = {"choices": [{"message": {"role": "assistant", "content": f"Thank you, {EMAIL}."}}]}
    sent = {"response": answer, "user": EMAIL, "tags": [EMAIL], "trace": EMAIL, "metadata": {"mail": EMAIL}}
    recorded(posted(project, **sent, headers={"x-for": EMAIL}))

    assert (where("zanzibar"), where(CARD)) == ([], [])
    record.index_words()
    assert (where("zanzibar"), where(CARD)) == ([], [])


def test_the_scan_finds_what_another_source_keeps(project, source):
    recorded(posted(project, source="careless", user=EMAIL))
    record.index_words()

    found = where("zanzibar")

    assert {
        "reviewapp_interaction.end_user",
        "reviewapp_interaction.prompt_preview",
        "reviewapp_interactionbody.request",
        "reviewapp_interactiontext.document",
    } <= set(found)


def test_the_interaction_tells_how_many_values_of_which_kind_were_hidden(project, source):
    [one] = recorded(posted(project, user=EMAIL))

    assert (one.hidden, one.body.hidden) == (2, {"email": 1, "card": 1})
    assert one.prompt_preview == "I am [email], card [card]."


def test_a_value_in_pieces_over_a_stream_goes_with_its_tokens(project, source):
    [one] = recorded(streamed(project, source, "Write to ", "zanz", "ibar.", "quux@exam", "ple.org", " now."))

    row = recorded_of(one)
    assert one.answer_preview == "Write to [email] now."
    assert (where("zanz"), where("quux")) == ([], [])
    assert where(str(list(b"ibar."))[1:-1]) == []
    tokens = json.loads(row.response_text)["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == "Write to [email] now."
    assert (one.mean_logprob, tokens[1]["top_logprobs"], tokens[0]["top_logprobs"] != []) == (-0.5, [], True)


def test_a_text_without_anything_to_hide_stays_byte_for_byte(project, source):
    request = b'{"model": "m",\n "messages": [{"role":"user","content":"Pl\\u0061in"}], "temperature": 1.0}'
    [one] = recorded(streamed(project, source, "Fine.", request=request))

    assert one.body.request_text == request


def test_the_request_hash_is_that_of_what_is_stored(project, source):
    [first] = recorded(posted(project))
    [second] = recorded(
        posted(
            project,
            request={
                "model": "m",
                "messages": [{"role": "user", "content": "I am a@b.de, card 5555555555554444."}],
            },
        )
    )

    assert bytes(first.request_hash) == bytes(second.request_hash)


def test_what_can_not_be_recorded_is_set_aside_unreadable_and_hidden_when_it_is_tried_again(project, source):
    arrival = posted(project, user=EMAIL)
    orphan = record.Arrival(arrival.id, project.pk, NOW, arrival.content, replay_of=new_id())
    record.record_now(arrivals=[orphan], now=NOW)
    row = FailedMessage.objects.get()

    assert (where("zanzibar"), where(CARD)) == ([], [])
    assert "encrypted" in second_try.content_of(message=row)

    factories.make_interaction(project=project, id=orphan.replay_of)
    done = second_try.try_again(messages=[row.pk], now=NOW)

    assert done == second_try.SecondTry(recorded=1)
    assert (where("zanzibar"), where(CARD)) == ([], [])


def test_a_set_aside_message_that_hides_is_settled_like_any_other(project, source):
    arrival = record.Arrival(new_id(), project.pk, NOW, posted(project).content, replay_of=new_id())
    record.record_now(arrivals=[arrival], now=NOW)

    assert record.are_settled(frames=[record.encode(arrival)])


def test_a_request_that_is_no_json_is_set_aside_unreadable(project, source):
    record.record_now(arrivals=[streamed(project, source, "x", request=EMAIL.encode())], now=NOW)

    assert FailedMessage.objects.get().error.startswith("The request is no JSON")
    assert where("zanzibar") == []


def test_a_frame_that_nobody_can_read_is_kept_unreadable_where_any_source_hides(project, source):
    record.record_frames(frames=[f"what is this? {EMAIL}".encode()], now=NOW)

    assert FailedMessage.objects.count() == 1
    assert where("zanzibar") == []


def test_pseudonyms_are_the_same_for_the_same_value_and_kept_encrypted(project, source):
    ProjectPrivacy.objects.create(project=project, pseudonym_key="ab" * 32, changed_at=NOW)
    [one] = recorded(posted(project, user=EMAIL))
    [other] = recorded(posted(project, user=EMAIL.upper()))

    assert one.end_user == other.end_user
    assert one.end_user.startswith("[email:")
    kept = Pseudonym.objects.get(project=project, token=one.end_user[7:-1])
    assert (kept.detector, kept.value) == ("email", EMAIL)
    assert where("zanzibar") == []


def test_a_placeholder_that_a_replay_sends_again_stays_as_it_is(project, source):
    ProjectPrivacy.objects.create(project=project, pseudonym_key="ab" * 32, changed_at=NOW)
    [one] = recorded(posted(project))
    text = one.body.request_text.decode()

    [again] = recorded(posted(project, request=json.loads(text)))

    assert (again.hidden, json.loads(again.body.request_text)) == (0, json.loads(text))


def test_a_source_that_appears_by_itself_hides_what_the_one_of_unnamed_calls_hides(project):
    factories.make_source(project=project, name="default", redaction=ALL)
    factories.make_source(project=project, name="open")

    record.record_now(arrivals=[posted(project, source="new"), posted(project, source="new")], now=NOW)
    hidden = where("zanzibar") == []
    record.record_now(arrivals=[posted(project, source="open")], now=NOW)

    assert hidden
    assert Source.objects.get(name="new").redaction == ALL
    # What was there before, and hides nothing, was decided so.
    assert where("zanzibar") != []
