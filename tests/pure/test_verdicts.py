from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.exchange import Alternative, Choice, Exchange, Reply, Token, ToolCall
from reviewapp.pure.verdicts import (
    METHOD_VERSION,
    EarlierAnswer,
    Evidence,
    Message,
    Verdict,
    VerdictKind,
    compare,
)
from reviewapp.pure.verdicts.messages import told_apart
from tests.pure.exchanges import SHARED_WORDS, answer, parting, sure, token
from tests.pure.languages import Invented

OLD, NEW = "fp_44709d6fcb", "fp_a1c9e80bd2"

# One place where the original was sure, and the replay is sure of the other.
SURE = parting(chosen=" Paris", share=0.94, other=" Lyon", other_share=0.02)
SWUNG = {"chosen": " Lyon", "share": 0.97, "other": " Paris", "other_share": 0.02}
# One place where both were undecided.
TIED = parting(chosen=" Paris", share=0.498, other=" Lyon", other_share=0.496)
TIED_TOO = {"chosen": " Lyon", "share": 0.499, "other": " Paris", "other_share": 0.495}

DRAWN = {"temperature": 0.7}


def quiet_others(like: Exchange, count: int = 4) -> tuple[Exchange, ...]:
    """Other replays that agree with this one to the bit, and so show little noise."""
    return (like,) * count


def test_equal_answers_are_identical() -> None:
    verdict = compare(answer("Paris."), answer("Paris."))

    assert verdict.kind == VerdictKind.IDENTICAL
    assert verdict.sentence == "The answers are identical, word for word. Same fingerprint (fp_4470…)."
    assert verdict.confidence == 1


def test_equal_answers_are_identical_whatever_the_fingerprint() -> None:
    verdict = compare(answer("Paris."), answer("Paris.", fingerprint=NEW))

    assert verdict.kind == VerdictKind.IDENTICAL
    assert verdict.sentence.endswith("Another fingerprint (fp_4470… → fp_a1c9…).")


def test_equal_answers_are_identical_although_something_was_asked_otherwise() -> None:
    verdict = compare(
        answer("Paris."),
        answer("Paris.", request={"temperature": 1}),
        context=Evidence(overrides={"temperature": 1}),
    )

    assert verdict.kind == VerdictKind.IDENTICAL


def test_an_identical_answer_with_moved_probabilities_says_so() -> None:
    words = [f" word{n}" for n in range(12)]

    verdict = compare(answer(tokens=sure(*words)), answer(tokens=sure(*words, share=0.8)))

    assert verdict.kind == VerdictKind.IDENTICAL
    assert "the backend may have changed" in verdict.sentence


def test_white_space_alone_is_equivalent() -> None:
    verdict = compare(answer("Paris is\nin France."), answer("Paris is in  France."))

    assert verdict.kind == VerdictKind.EQUIVALENT
    assert verdict.sentence.startswith("The answers differ only in white space, which does not matter here.")


def test_tool_call_ids_alone_are_equivalent() -> None:
    one, other = (answer(calls=(ToolCall("weather", "{}", id=name),)) for name in ("a", "b"))

    assert compare(one, other).kind == VerdictKind.EQUIVALENT


# ---- where the answers part, at temperature 0 ----


def test_a_near_tie_is_nondeterminism_in_plain_words() -> None:
    verdict = compare(TIED, parting(**TIED_TOO))

    assert verdict.kind == VerdictKind.NONDETERMINISTIC
    assert verdict.sentence == (
        "Same fingerprint (fp_4470…). The answers part at token 10, where two tokens were almost "
        "equally likely (49.8 % for “Paris” and 49.6 % for “Lyon”): ordinary nondeterminism."
    )


def test_a_near_tie_is_nondeterminism_under_another_fingerprint_too() -> None:
    verdict = compare(TIED, parting(**TIED_TOO, fingerprint=NEW), context=Evidence(states={NEW: "new"}))

    assert verdict.kind == VerdictKind.NONDETERMINISTIC
    assert verdict.sentence.startswith(
        "A new fingerprint (fp_4470… → fp_a1c9…). The answers part at token 10"
    )


def test_a_flip_where_the_original_was_sure_is_a_change() -> None:
    verdict = compare(SURE, parting(**SWUNG, fingerprint=NEW))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert verdict.sentence == (
        "Backend changed: fp_4470… → fp_a1c9…. The answers agree for 9 of 12 tokens, then part where "
        "the original was sure (94 % for “Paris” against 2 % for “Lyon”), so chance does not explain "
        "it."
    )


def test_a_change_between_two_known_values_of_a_pool_is_none_that_they_announce() -> None:
    verdict = compare(
        SURE, parting(**SWUNG, fingerprint=NEW), context=Evidence(grade="rotating", states={NEW: "accepted"})
    )

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert verdict.sentence.startswith(
        "Backend changed without saying so: both fingerprints are of a known, rotating pool "
        "(fp_4470… → fp_a1c9…). The answers agree for 9 of 12 tokens"
    )


def test_a_flip_far_beyond_noise_is_a_change_that_nobody_announced() -> None:
    verdict = compare(SURE, parting(**SWUNG))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert verdict.sentence.startswith(
        "Backend changed without saying so: the fingerprint is the same (fp_4470…)."
    )


def test_without_any_fingerprint_a_change_is_one_that_nobody_announced() -> None:
    verdict = compare(replace_fingerprint(SURE, None), parting(**SWUNG, fingerprint=None))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert verdict.sentence.startswith("Backend changed without saying so: no fingerprint was reported.")


def test_the_originals_margin_alone_shows_a_change_at_temperature_0() -> None:
    without = parting(**SWUNG, fingerprint=NEW)
    reply = replace(without.reply, choices=(replace(without.reply.choices[0], tokens=()),))

    verdict = compare(SURE, replace(without, reply=reply))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert "the original was sure (94 % for “Paris” against 2 % for “Lyon”)" in verdict.sentence


def test_the_replays_margin_alone_shows_a_change_at_temperature_0() -> None:
    bare = replace(SURE, reply=replace(SURE.reply, choices=(replace(SURE.reply.choices[0], tokens=()),)))

    verdict = compare(bare, parting(**SWUNG, fingerprint=NEW))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert "part where the replay was sure (97 % for “Lyon” against 2 % for “Paris”)" in verdict.sentence


def test_a_clear_preference_that_flips_is_inconclusive_where_nobody_announced_a_change() -> None:
    original = parting(chosen=" Paris", share=0.7, other=" Lyon", other_share=0.25)

    verdict = compare(original, parting(chosen=" Lyon", share=0.55, other=" Paris", other_share=0.4))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "“Paris” from 70 % to 40 %, “Lyon” from 25 % to 55 %" in verdict.sentence
    assert verdict.sentence.endswith("Replay it 10 times to see how much the answers vary by themselves.")


def test_the_same_flip_is_a_change_where_the_fingerprint_differs() -> None:
    original = parting(chosen=" Paris", share=0.7, other=" Lyon", other_share=0.25)
    attempt = parting(chosen=" Lyon", share=0.55, other=" Paris", other_share=0.4, fingerprint=NEW)

    assert compare(original, attempt).kind == VerdictKind.BACKEND_CHANGED


def test_measured_noise_makes_a_smaller_flip_a_change() -> None:
    original = parting(chosen=" Paris", share=0.57, other=" Lyon", other_share=0.41)
    attempt = parting(chosen=" Lyon", share=0.50, other=" Paris", other_share=0.48)

    alone = compare(original, attempt)
    beside_others = compare(original, attempt, context=Evidence(others=quiet_others(attempt)))

    assert alone.kind == VerdictKind.NONDETERMINISTIC
    assert beside_others.kind == VerdictKind.BACKEND_CHANGED
    assert "measured among 4 other replays" in " ".join(map(str, beside_others.reasons))


def test_a_noisy_backend_is_given_more_room() -> None:
    original = parting(chosen=" Paris", share=0.7, other=" Lyon", other_share=0.25)
    attempt = parting(chosen=" Lyon", share=0.5, other=" Paris", other_share=0.45, fingerprint=NEW)
    shares = ((0.8, 0.15), (0.5, 0.45), (0.65, 0.3), (0.9, 0.08))
    others = tuple(
        parting(chosen=" Paris", share=a, other=" Lyon", other_share=b, fingerprint=NEW) for a, b in shares
    )

    verdict = compare(original, attempt, context=Evidence(others=others))

    assert verdict.kind == VerdictKind.NONDETERMINISTIC


def test_a_shift_of_all_probabilities_is_a_change_though_the_flip_is_a_near_tie() -> None:
    words = [f" word{n}" for n in range(12)]
    original = answer(tokens=(*sure(*words), token(" a", 0.5, **{" b": 0.49})))
    attempt = answer(tokens=(*sure(*words, share=0.9), token(" b", 0.5, **{" a": 0.49})), fingerprint=NEW)

    verdict = compare(original, attempt)

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert "Up to there the probabilities moved by" in verdict.sentence


def test_an_answer_that_ends_where_the_original_was_sure_to_go_on_is_a_change() -> None:
    original = answer(tokens=sure("Yes", ",", " it", " is"))

    verdict = compare(original, answer(tokens=sure("Yes"), fingerprint=NEW))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert "against < 1 % for (end)" in verdict.sentence or "against < 0.5 % for (end)" in verdict.sentence


# ---- tokens that were drawn ----


def test_a_wide_margin_shows_nothing_where_tokens_are_drawn() -> None:
    original = parting(chosen=" Paris", share=0.94, other=" Lyon", other_share=0.02, request=DRAWN)
    attempt = answer("".join(SHARED_WORDS) + " Lyon. Really", request=DRAWN, fingerprint=NEW)

    verdict = compare(original, attempt)

    assert verdict.kind == VerdictKind.INCONCLUSIVE


def test_an_unlikely_draw_from_the_same_probabilities_is_nondeterminism() -> None:
    original = parting(chosen=" Paris", share=0.94, other=" Lyon", other_share=0.02, request=DRAWN)
    attempt = parting(chosen=" Lyon", share=0.02, other=" Paris", other_share=0.94, request=DRAWN)

    verdict = compare(original, attempt)

    assert verdict.kind == VerdictKind.NONDETERMINISTIC
    assert "only the draw fell differently" in verdict.sentence


def test_probabilities_that_swung_are_a_change_though_tokens_are_drawn() -> None:
    original = parting(chosen=" Paris", share=0.94, other=" Lyon", other_share=0.02, request=DRAWN)

    verdict = compare(original, parting(**SWUNG, request=DRAWN, fingerprint=NEW))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert "“Paris” from 94 % to 2 %, “Lyon” from 2 % to 97 %" in verdict.sentence


def test_an_unseeded_draw_is_inconclusive_and_says_why() -> None:
    request = {"temperature": None, "seed": None}

    verdict = compare(answer("Paris.", request=request), answer("Lyon.", request=request))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "No seed was sent and the temperature is not 0" in verdict.sentence


def test_an_ignored_seed_is_inconclusive_and_says_why() -> None:
    verdict = compare(
        answer("Paris.", request=DRAWN), answer("Lyon.", request=DRAWN), context=Evidence(seed_honoured=False)
    )

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "does not honour seeds" in verdict.sentence


def test_a_seed_that_the_provider_replaced_is_told() -> None:
    verdict = compare(answer("Paris.", request=DRAWN), answer("Lyon.", request=DRAWN, echoed_seed=99))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "used seed 99 instead" in verdict.sentence


# ---- text alone ----


def test_text_alone_is_inconclusive_and_says_what_would_settle_it() -> None:
    verdict = compare(answer("It is Paris."), answer("It is Lyon."))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert verdict.confidence is None
    assert verdict.sentence == (
        "Same fingerprint (fp_4470…). The answers part at word 3, “Paris” in the original and “Lyon” "
        "in the replay. From one replay nobody can tell chance from a change. Replaying it 10 times "
        "would tell, and so would log probabilities, if the requests asked for them."
    )


def test_another_fingerprint_alone_proves_nothing() -> None:
    verdict = compare(answer("It is Paris."), answer("It is Lyon.", fingerprint=NEW))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "A different fingerprint alone proves nothing." in verdict.sentence


def test_another_replay_with_the_originals_answer_shows_nondeterminism() -> None:
    verdict = compare(
        answer("It is Paris."), answer("It is Lyon."), context=Evidence(others=(answer("It is Paris."),))
    )

    assert verdict.kind == VerdictKind.NONDETERMINISTIC
    assert "The other replay gave the original's answer" in verdict.sentence


def test_replays_that_vary_show_nondeterminism() -> None:
    verdict = compare(
        answer("Paris."), answer("Lyon."), context=Evidence(others=(answer("Metz."), answer("Lyon.")))
    )

    assert verdict.kind == VerdictKind.NONDETERMINISTIC
    assert "2 different answers in 3 replays" in verdict.sentence


def test_replays_that_agree_under_another_fingerprint_show_a_change() -> None:
    attempt = answer("Lyon.", fingerprint=NEW)

    verdict = compare(answer("Paris."), attempt, context=Evidence(others=(attempt,) * 4))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert "All 5 replays agree with each other, but not with the original." in verdict.sentence


@pytest.mark.parametrize(
    "evidence", [{"grade": "rotating"}, {"states": {NEW: "accepted"}}, {"grade": "random"}]
)
def test_replays_that_agree_under_a_fingerprint_of_the_pool_do_not(evidence: dict[str, Any]) -> None:
    attempt = answer("Lyon.", fingerprint=NEW)

    verdict = compare(answer("Paris."), attempt, context=Evidence(others=(attempt,) * 4, **evidence))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "the original was a rare outcome" in verdict.sentence


def test_canaries_that_changed_decide_where_texts_can_not() -> None:
    verdict = compare(answer("Paris."), answer("Lyon."), context=Evidence(canary="changed"))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED


def test_steady_canaries_make_nondeterminism_the_likelier_explanation() -> None:
    verdict = compare(answer("Paris."), answer("Lyon."), context=Evidence(canary="steady"))

    assert verdict.kind == VerdictKind.NONDETERMINISTIC
    assert verdict.confidence is not None
    assert verdict.confidence < 0.8


def test_canaries_from_before_the_replay_say_nothing_of_a_fingerprint_never_seen_before() -> None:
    states: Any = {"fp_a": "accepted", "fp_b": "accepted", "fp_new": "new"}
    context = Evidence(canary="steady_so_far", grade="rotating", states=states)
    before = answer("Paris.", fingerprint="fp_a")

    kinds = [
        compare(before, answer("Lyon.", fingerprint=name), context=context).kind
        for name in ("fp_a", "fp_b", "fp_new", "fp_uncounted")
    ]

    assert kinds == [
        VerdictKind.NONDETERMINISTIC,
        VerdictKind.NONDETERMINISTIC,
        VerdictKind.INCONCLUSIVE,
        VerdictKind.INCONCLUSIVE,
    ]


def test_another_model_named_by_the_provider_is_a_change() -> None:
    verdict = compare(answer("Paris."), answer("Lyon.", model="gpt-4o-mini-2025-11-01"))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED
    assert (
        "the provider names another model (gpt-4o-mini-2024-07-18 → gpt-4o-mini-2025-11-01)"
        in verdict.sentence
    )


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini-2024-07-18", "GPT-4o-mini", None])
def test_another_spelling_of_the_model_is_none(model: str | None) -> None:
    assert compare(answer("Paris."), answer("Lyon.", model=model)).kind == VerdictKind.INCONCLUSIVE


def test_a_vendor_that_leaves_out_the_dot_names_no_other_model() -> None:
    one, other = answer("Paris.", model="gpt-3.5-turbo-0301"), answer("Lyon.", model="gpt-35-turbo")

    assert compare(one, other).kind == VerdictKind.INCONCLUSIVE


def test_a_files_name_is_no_statement_of_the_vendor() -> None:
    one, other = answer("Paris.", model="/models/a.gguf"), answer("Lyon.", model="/models/b.gguf")

    assert compare(one, other).kind == VerdictKind.INCONCLUSIVE


# ---- what can't be compared ----


def test_an_error_is_failed_and_no_difference() -> None:
    verdict = compare(answer("Paris."), answer(status=429, error="Rate limit reached."))

    assert verdict.kind == VerdictKind.FAILED
    assert verdict.sentence == (
        "The replay failed: the provider answered 429 (Rate limit reached). This says nothing about "
        "the answer."
    )


def test_a_timeout_is_failed() -> None:
    verdict = compare(answer("Paris."), answer(status=None, error="timed out after 60 s"))

    assert verdict.kind == VerdictKind.FAILED
    assert "timed out after 60 s" in verdict.sentence


def test_a_reply_without_an_answer_is_failed() -> None:
    empty = replace(answer("x"), reply=Reply())

    assert compare(answer("Paris."), empty).kind == VerdictKind.FAILED


def test_an_original_that_is_an_error_can_not_be_compared() -> None:
    verdict = compare(answer(status=500, error="Server error"), answer("Paris."))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "The original is an error (500: Server error)" in verdict.sentence


def test_a_difference_under_an_override_is_the_overrides() -> None:
    verdict = compare(
        SURE,
        parting(**SWUNG, fingerprint=NEW, request={"temperature": 0.9}),
        context=Evidence(overrides={"temperature": 0.9}),
    )

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert verdict.sentence == (
        "The replay was asked differently on purpose (temperature 0 → 0.9), so the difference says "
        "nothing about the backend. Replay it with the original settings to learn about the backend."
    )


def test_another_provider_on_purpose_is_an_override_that_no_request_shows() -> None:
    verdict = compare(answer("Paris."), answer("Lyon."), context=Evidence(overrides={"provider": "azure"}))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "provider – → azure" in verdict.sentence


def test_asking_for_log_probabilities_is_no_other_question() -> None:
    attempt = parting(**SWUNG, fingerprint=NEW, request={"logprobs": True, "top_logprobs": 5})

    assert compare(SURE, attempt).kind == VerdictKind.BACKEND_CHANGED


def test_another_seed_is_another_question_only_where_tokens_are_drawn() -> None:
    greedy = compare(SURE, parting(**SWUNG, fingerprint=NEW, request={"seed": 5}))
    drawn = compare(answer("a", request=DRAWN), answer("b", request=DRAWN | {"seed": 5}))

    assert greedy.kind == VerdictKind.BACKEND_CHANGED
    assert "seed 123 → 5" in drawn.sentence


def test_a_replay_cut_off_by_its_length_agrees_as_far_as_it_goes() -> None:
    verdict = compare(answer("One two three four."), answer("One two", finish="length"))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "agree as far as the replay goes" in verdict.sentence


def test_answers_that_part_before_the_cut_are_compared() -> None:
    cut = parting(**SWUNG, fingerprint=NEW, finish="length")

    assert compare(SURE, cut).kind == VerdictKind.BACKEND_CHANGED


def test_a_content_filter_is_no_difference() -> None:
    verdict = compare(answer("One two three."), answer("One", finish="content_filter", fingerprint=NEW))

    assert verdict.kind == VerdictKind.INCONCLUSIVE
    assert "content filter stopped the replay" in verdict.sentence


# ---- where answers differ in other ways ----


def test_other_arguments_of_a_tool_call_are_told_by_path() -> None:
    one, other = (
        answer(calls=(ToolCall("weather", json.dumps({"city": city})),)) for city in ("Paris", "Lyon")
    )

    assert "calls weather with other arguments (city: Paris → Lyon)" in compare(one, other).sentence


def test_a_refusal_is_told() -> None:
    verdict = compare(answer("Paris."), answer(refusal="I can't say."))

    assert "The original answered, the replay refused." in verdict.sentence


def test_the_choice_that_differs_is_the_one_compared() -> None:
    def both(second: Exchange) -> Exchange:
        return replace(
            second,
            reply=replace(
                second.reply,
                choices=(Choice(index=0, text="Same."), replace(second.reply.choices[0], index=1)),
            ),
        )

    verdict = compare(both(SURE), both(parting(**SWUNG, fingerprint=NEW)))

    assert verdict.kind == VerdictKind.BACKEND_CHANGED


@pytest.mark.parametrize(
    ("vectors", "kind"),
    [
        (("[1, 2, 3]", "[1.00001, 2, 3]"), VerdictKind.NONDETERMINISTIC),
        (("[1, 2, 3]", "[3, 2, 1]"), VerdictKind.BACKEND_CHANGED),
        (("[1, 2, 3]", "[1.2, 2, 3]"), VerdictKind.INCONCLUSIVE),
        (("[1, 2, 3]", "[1, 2]"), VerdictKind.INCONCLUSIVE),
        (("AACAPwAAAEA=", "AACAPwEAAEA="), VerdictKind.NONDETERMINISTIC),
    ],
)
def test_embeddings_are_compared_by_their_direction(vectors: tuple[str, str], kind: VerdictKind) -> None:
    one, other = (replace(answer(text), endpoint="embeddings") for text in vectors)

    assert compare(one, other).kind == kind


# ---- fingerprints ----


@pytest.mark.parametrize(
    ("fingerprints", "evidence", "words"),
    [
        ((OLD, OLD), {}, "Same fingerprint (fp_4470…)."),
        ((OLD, OLD), {"grade": "constant"}, "the same fingerprint whatever it runs"),
        ((OLD, NEW), {"grade": "random"}, "changes with every answer"),
        ((OLD, NEW), {"grade": "rotating"}, "a rotating pool (fp_4470… → fp_a1c9…)"),
        ((OLD, NEW), {"states": {NEW: "accepted"}}, "already accepted"),
        ((OLD, NEW), {"states": {OLD: "accepted"}, "grade": "rotating"}, "Another fingerprint"),
        ((OLD, NEW), {"states": {NEW: "new"}, "grade": "rotating"}, "A new fingerprint"),
        ((OLD, NEW), {"states": {NEW: "retired"}}, "was retired"),
        ((None, None), {}, "No fingerprint was reported."),
        (("", None), {}, "No fingerprint was reported."),
        ((OLD, None), {}, "the replay reported none"),
        ((None, NEW), {}, "The original has no fingerprint"),
        (("fp_4470aaaaaa", "fp_4470bbbbbb"), {}, "(fp_4470aaaaaa → fp_4470bbbbbb)"),
    ],
)
def test_fingerprints_are_told_for_what_they_are(
    fingerprints: tuple[str | None, str | None], evidence: dict[str, Any], words: str
) -> None:
    one, other = fingerprints

    verdict = compare(
        answer("a", fingerprint=one), answer("a", fingerprint=other), context=Evidence(**evidence)
    )

    assert words in verdict.sentence


# ---- storing, translating ----


def test_a_stored_message_can_be_said_in_another_language() -> None:
    stored = json.loads(json.dumps(compare(TIED, parting(**TIED_TOO)).as_json()))
    language = Invented(near_tie="Token %(position)d: %(token)s %(chosen)s, %(other_token)s %(other)s.")

    message = Message.from_json(stored["parts"][1])

    assert message.render(language) == "Token 10: “Paris” 49,8 %, “Lyon” 49,6 %."


def test_figures_are_plain_values_to_store() -> None:
    verdict = compare(SURE, parting(**SWUNG, fingerprint=NEW))

    figures = json.loads(json.dumps(verdict.as_json(), allow_nan=False))["figures"]

    assert figures["statistic"] == "first_div"
    assert figures["shared"] == 9
    assert figures["z"] > 20
    assert verdict.method == METHOD_VERSION


def replace_fingerprint(exchange: Exchange, value: str | None) -> Exchange:
    return replace(exchange, reply=replace(exchange.reply, fingerprint=value))


# ---- whatever comes ----

texts = st.one_of(st.none(), st.sampled_from(["", "a", "a b", '{"a": 1}', '{"a": 2}']), st.text(max_size=8))
logprobs = st.one_of(st.none(), st.floats())
any_tokens = st.lists(
    st.builds(
        Token,
        text=st.sampled_from(["a", " b", "c"]),
        logprob=logprobs,
        alternatives=st.lists(
            st.builds(Alternative, token=st.sampled_from(["a", " b", ""]), logprob=logprobs), max_size=3
        ).map(tuple),
    ),
    max_size=4,
).map(tuple)
calls = st.lists(st.builds(ToolCall, name=texts.map(str), arguments=texts.map(str)), max_size=2).map(tuple)
choices = st.builds(
    Choice,
    index=st.integers(0, 2),
    text=texts,
    refusal=texts,
    tool_calls=calls,
    tokens=any_tokens,
    finish_reason=st.sampled_from([None, "stop", "length", "content_filter"]),
)
replies = st.builds(
    Reply,
    model=st.sampled_from([None, "", "m", "m-2", "/m.gguf"]),
    fingerprint=st.sampled_from([None, "", OLD, NEW]),
    echoed_seed=st.none() | st.integers(),
    choices=st.lists(choices, max_size=2).map(tuple),
    error=st.none() | st.just("broken"),
)
exchanges = st.builds(
    Exchange,
    endpoint=st.sampled_from(["chat.completions", "responses", "completions", "embeddings"]),
    request=st.dictionaries(
        st.sampled_from(["temperature", "seed", "top_p", "messages"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=3)
        | st.lists(st.integers()),
        max_size=3,
    ),
    reply=replies,
    status=st.sampled_from([None, 200, 201, 400, 500]),
)
evidences = st.builds(
    Evidence,
    grade=st.sampled_from(["informative", "rotating", "constant", "random", "none", "unknown"]),
    states=st.dictionaries(
        st.sampled_from([OLD, NEW]), st.sampled_from(["new", "accepted", "overlap", "retired"])
    ),
    seeded=st.none() | st.booleans(),
    seed_honoured=st.none() | st.booleans(),
    overrides=st.dictionaries(
        st.sampled_from(["provider", "temperature"]), st.none() | st.floats(), max_size=1
    ),
    others=st.lists(exchanges, max_size=4).map(tuple),
    earlier=st.lists(
        st.builds(
            EarlierAnswer,
            session=st.sampled_from("abc"),
            same=st.booleans(),
            fingerprint=st.sampled_from([OLD, NEW, None]),
        ),
        max_size=12,
    ).map(tuple),
    canary=st.sampled_from(["changed", "steady", "steady_so_far", "unknown"]),
)


def check_told(verdict: Verdict) -> None:
    assert verdict.sentence
    assert "%(" not in verdict.sentence
    json.dumps(verdict.as_json())
    for reason in verdict.reasons:
        assert str(reason)
    claims = verdict.kind not in (VerdictKind.INCONCLUSIVE,)
    assert (verdict.confidence is not None) == claims


@given(exchanges, exchanges, evidences)
def test_comparing_never_fails_and_always_says_something(
    original: Exchange, attempt: Exchange, evidence: Evidence
) -> None:
    check_told(compare(original, attempt, context=evidence))


def test_two_shares_that_would_look_equal_get_more_digits() -> None:
    assert told_apart(0.0119, 0.012) == ("1.19 %", "1.20 %")
    assert told_apart(0.04, 0.012) == ("4 %", "1.2 %")
    assert told_apart(0.012, 0.012) == ("1.2 %", "1.2 %")
    assert told_apart(0.00001, 0.00002) == ("0.001 %", "0.002 %")


@given(exchanges, evidences)
def test_an_answer_is_never_different_from_itself(exchange: Exchange, evidence: Evidence) -> None:
    verdict = compare(exchange, exchange, context=evidence)

    assert verdict.kind in (VerdictKind.IDENTICAL, VerdictKind.FAILED)


@given(exchanges, exchanges, evidences)
def test_an_error_is_never_a_difference(original: Exchange, attempt: Exchange, evidence: Evidence) -> None:
    broken = replace(attempt, status=500)

    assert compare(original, broken, context=evidence).kind == VerdictKind.FAILED
