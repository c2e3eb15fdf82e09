"""The language model: its distributions are real, its texts are sentences, and small changes flip few
tokens."""

from __future__ import annotations

from collections import Counter
from math import exp

import pytest

from reviewapp.providers.simulated.chance import gumbels, key_of, normals, uniform
from reviewapp.providers.simulated.grammar import (
    Grammar,
    InvalidPhrases,
    count_tokens,
    read_phrases,
    tokens_of,
)
from reviewapp.providers.simulated.language import Layer, Prompt, Weights, Written, text_of, write
from reviewapp.providers.simulated.logprobs import displayed, shown
from reviewapp.providers.simulated.prompts import Message, phrases, prompt_of, topic_of
from reviewapp.providers.simulated.sampling import Sampling, draw, two_best

QUESTIONS = (
    "I want a refund for order 48213, it arrived broken.",
    "Where is my parcel? It is late.",
    "I forgot my password and the login fails.",
    "Why was I charged twice on my invoice?",
    "Explain how vaccines work.",
    "How much does the Team plan cost?",
)
BASE = Weights(key_of("weights"))


def prompt(text: str) -> Prompt:
    messages = (Message("user", text),)
    return prompt_of(messages, topic=topic_of(messages))


def answer(
    text: str,
    *,
    seed: int = 1,
    temperature: float = 1.0,
    weights: Weights = BASE,
    flip_at: int | None = None,
    **more,
) -> Written:
    sampling = Sampling(key_of("seed", seed), temperature=temperature, **more)
    return write(prompt=prompt(text), weights=weights, sampling=sampling, tie_margin=0.03, flip_at=flip_at)


def changed_share(size: float) -> float:
    """The share of greedy answers whose text a change of this size changes."""
    changed = Weights(BASE.key, (Layer(key_of("change"), size),))
    asked = [f"{question} ({number})" for question in QUESTIONS for number in range(20)]
    different = [
        answer(each, temperature=0).text != answer(each, temperature=0, weights=changed).text
        for each in asked
    ]
    return sum(different) / len(different)


def test_the_same_key_gives_the_same_numbers_and_another_key_others():
    first = normals(key_of("a", 1), 8)

    assert first == normals(key_of("a", 1), 8)
    assert first != normals(key_of("a", 2), 8)
    assert key_of("ab", "c") != key_of("a", "bc")


def test_a_longer_row_of_numbers_begins_like_a_shorter_one():
    assert gumbels(key_of("k"), 20)[:5] == gumbels(key_of("k"), 5)
    assert normals(key_of("k"), 20)[:5] == normals(key_of("k"), 5)


def test_normal_numbers_are_normal():
    numbers = [each for index in range(200) for each in normals(key_of("n", index), 50)]

    mean = sum(numbers) / len(numbers)
    assert abs(mean) < 0.03
    assert abs(sum((each - mean) ** 2 for each in numbers) / len(numbers) - 1) < 0.05


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_sampled_tokens_follow_the_shown_probabilities_at_the_temperature(temperature):
    draws = 3000
    counts = Counter(
        answer(QUESTIONS[0], seed=seed, temperature=temperature, max_tokens=1).text for seed in range(draws)
    )

    position = answer(QUESTIONS[0], max_tokens=1).positions[0]
    tokens, logits = position.complete(())
    mass = [exp(logit / temperature) for logit in logits]
    expected = {token: draws * each / sum(mass) for token, each in zip(tokens, mass, strict=True)}
    often = {token: count for token, count in expected.items() if count >= 8}
    statistic = sum((counts[token] - count) ** 2 / count for token, count in often.items())
    # The 99.9th percentile of chi-square, generously rounded up, for up to ten kinds of token.
    assert len(often) >= 4
    assert statistic < 32 + 3 * max(0, len(often) - 11)
    assert set(counts) <= set(expected)


def test_tokens_of_the_tail_are_drawn_as_often_as_their_probability_says():
    position = answer("hello", max_tokens=1).positions[0]
    tokens, logits = position.complete(())
    tail = tokens[len(position.tokens) :]
    share = sum(exp(each) for each in logits[len(position.tokens) :]) / sum(exp(each) for each in logits)

    drawn = sum(answer("hello", seed=seed, max_tokens=1).text in tail for seed in range(20_000))

    assert 0 < share < 0.002
    assert abs(drawn - 20_000 * share) < 5 * (20_000 * share) ** 0.5 + 1


def test_an_equal_request_with_an_equal_seed_gives_an_equal_answer():
    assert answer(QUESTIONS[0], seed=7) == answer(QUESTIONS[0], seed=7)


def test_another_seed_gives_another_answer():
    texts = {answer(QUESTIONS[0], seed=seed).text for seed in range(20)}

    assert len(texts) >= 18


def test_at_temperature_zero_the_seed_does_not_matter_and_the_best_token_is_taken():
    first, second = (answer(QUESTIONS[1], seed=seed, temperature=0) for seed in (1, 2))

    assert first.text == second.text
    for position in first.positions:
        assert position.token == position.tokens[two_best(position.logits)[0]]


def test_a_change_of_the_weights_flips_few_tokens_when_it_is_small_and_many_when_it_is_large():
    little, lot = changed_share(0.02), changed_share(0.8)

    assert 0.02 <= little <= 0.5
    assert lot >= 0.8


def test_weights_of_another_backend_write_other_texts():
    other = Weights(key_of("other weights"))

    same = [
        answer(each, temperature=0).text == answer(each, temperature=0, weights=other).text
        for each in QUESTIONS
    ]

    assert sum(same) <= 1


def test_a_flip_happens_only_where_the_two_best_are_nearly_tied_and_shows_it():
    flipped = 0
    for number in range(40):
        question = f"{QUESTIONS[number % 6]} ({number})"
        plain = answer(question, temperature=0)
        for at in plain.ties:
            other = answer(question, temperature=0, flip_at=at)

            assert plain.positions[:at] == other.positions[:at]
            before = shown(plain.positions[at], layers=(), noise=None, top=2, greedy=True)
            after = shown(other.positions[at], layers=(), noise=None, top=2, greedy=True)
            assert before.token != after.token
            assert after.top[0][0] == after.token
            assert before.top[0][1] - before.top[1][1] <= 0.03
            assert {token for token, _ in before.top} == {token for token, _ in after.top}
            flipped += 1
    assert flipped > 10


def test_every_position_shows_twenty_different_tokens_best_first():
    for position in answer(QUESTIONS[2], seed=3).positions:
        top = shown(position, layers=(), noise=None, top=20, greedy=False).top

        assert len({token for token, _ in top}) == 20
        assert [logprob for _, logprob in top] == sorted((logprob for _, logprob in top), reverse=True)
        assert sum(exp(logprob) for _, logprob in top) <= 1.0001


def test_the_shown_probabilities_of_all_tokens_add_up_to_one():
    position = answer(QUESTIONS[2], seed=3).positions[0]

    top = shown(position, layers=(), noise=None, top=1000, greedy=False).top

    assert abs(sum(exp(logprob) for _, logprob in top) - 1) < 1e-6


def test_noise_of_a_replica_moves_log_probabilities_by_its_size_only():
    position = answer(QUESTIONS[2], seed=3).positions[0]

    quiet = dict(shown(position, layers=(), noise=None, top=20, greedy=False).top)
    noisy = dict(shown(position, layers=(), noise=Layer(key_of("r"), 1e-3), top=20, greedy=False).top)

    moved = [abs(noisy[token] - value) for token, value in quiet.items() if token in noisy]
    assert 1e-4 < sum(moved) / len(moved) < 3e-3


def test_noise_never_shows_another_token_above_a_greedy_choice():
    for number in range(60):
        written = answer(f"{QUESTIONS[number % 6]} ({number})", temperature=0)
        for position in written.positions:
            seen = shown(position, layers=(), noise=Layer(key_of("r", number), 0.05), top=2, greedy=True)

            assert seen.top[0][0] == seen.token


def test_max_tokens_cuts_the_same_answer_short():
    whole = answer(QUESTIONS[0], seed=5)

    cut = answer(QUESTIONS[0], seed=5, max_tokens=10)

    assert len(cut.positions) == 10
    assert cut.finish_reason == "length"
    assert whole.text.startswith(cut.text)
    assert whole.finish_reason == "stop"


def test_a_stop_sequence_ends_the_answer_before_it():
    whole = answer(QUESTIONS[0], seed=5)

    cut = answer(QUESTIONS[0], seed=5, stop=("refund",))

    assert "refund" in whole.text
    assert cut.text == whole.text.split("refund")[0]
    assert "".join(cut.emitted) == cut.text
    assert cut.finish_reason == "stop"


def test_a_stop_sequence_may_span_tokens():
    whole = answer(QUESTIONS[0], seed=5).text
    middle = whole[20:31]

    cut = answer(QUESTIONS[0], seed=5, stop=(middle,))

    assert cut.text == whole[: whole.find(middle)]


def test_a_small_top_p_leaves_only_the_likeliest_tokens():
    texts = {answer(QUESTIONS[0], seed=seed, top_p=0.01).text for seed in range(8)}

    assert texts == {answer(QUESTIONS[0], temperature=0).text}


@pytest.mark.parametrize(
    ("penalties", "factor"), [({"presence_penalty": 2.0}, exp(-2)), ({"frequency_penalty": 1.0}, exp(-3))]
)
def test_a_penalty_makes_words_come_back_less_often_by_its_size(penalties, factor):
    drawn = Counter(
        draw(
            [0.0, 0.0],
            ["again", "new"],
            complete=lambda: (["again", "new"], [0.0, 0.0]),
            sampling=Sampling(b"", **penalties),
            top_p=1.0,
            counts={"again": 3},
            with_tail=True,
            key=key_of(number),
        ).token
        for number in range(4000)
    )

    assert drawn["again"] / 4000 == pytest.approx(factor / (1 + factor), abs=0.02)


def test_an_emoji_comes_in_two_tokens_and_one_piece_of_the_stream():
    symbols = tokens_of("Bye 😊")

    assert [displayed(symbol) for symbol in symbols if isinstance(symbol, str)] == [
        "Bye",
        "\\xf0\\x9f\\x98",
        "\\x8a",
    ]
    assert text_of([symbol for symbol in symbols if isinstance(symbol, str)]) == "Bye😊"


def test_texts_are_of_a_pleasant_length():
    lengths = sorted(
        len(answer(f"{question} ({n})", seed=n).positions) for question in QUESTIONS for n in range(20)
    )

    assert lengths[6] >= 20
    assert 40 <= lengths[60] <= 90
    assert lengths[-6] <= 150


def test_no_answer_shows_the_marks_of_the_phrase_files():
    topics = [name for name, _ in phrases()._sections.items() if f"{name}.subject" in phrases()]
    assert len(topics) >= 15
    for topic in topics:
        for seed in range(12):
            asked = prompt_of((Message("user", f"Tell me something, please ({seed})"),), topic=topic)
            sampling = Sampling(key_of(seed), temperature=0.7)
            text = write(prompt=asked, weights=BASE, sampling=sampling, tie_margin=0).text

            assert "|" not in text, (topic, text)
            assert "<" not in text.replace("<= ", ""), (topic, text)
            assert "?0." not in text, (topic, text)
            assert "  " not in text.replace("    ", "") or "```" in text, (topic, text)
            assert text == text.strip(), (topic, text)


def test_every_section_of_facts_fits_into_a_json_text():
    for name, lines in phrases()._sections.items():
        if name.endswith(".fact"):
            for _, line in lines:
                assert not any(isinstance(symbol, str) and set(symbol) & set('"\\\n') for symbol in line), (
                    name
                )


def test_phrases_that_begin_alike_are_one_token_until_they_part():
    grammar = Grammar(read_phrases({"test": "[start]\nWe will help.\nWe will wait.\n"}))
    states = grammar.start(grammar.section("start")[0][1])

    first = grammar.frontier([(1.0, (line, 0, None)) for _, line in grammar.section("start")])
    second = grammar.frontier(first["We"])
    third = grammar.frontier(second[" will"])

    assert states
    assert set(first) == {"We"}
    assert set(third) == {" help", " wait"}


def test_picked_lines_are_different_ones():
    grammar = Grammar(read_phrases({"test": "[start]\n<bullets:3:fruit>\n[fruit]\nApple\nPear\nPlum\n"}))
    asked = Prompt(key_of("fruit"), grammar, grammar.section("start")[0][1], constrained=True)

    for seed in range(20):
        text = write(prompt=asked, weights=BASE, sampling=Sampling(key_of(seed)), tie_margin=0).text
        assert sorted(text.split("\n")) == ["- Apple", "- Pear", "- Plum"]


def test_steps_keep_their_order():
    grammar = Grammar(read_phrases({"test": "[start]\n<steps:2:step>\n[step]\nOpen\nChoose\nSave\n"}))
    asked = Prompt(key_of("steps"), grammar, grammar.section("start")[0][1], constrained=True)

    texts = {
        write(prompt=asked, weights=BASE, sampling=Sampling(key_of(seed), 2.0), tie_margin=0).text
        for seed in range(40)
    }

    assert texts == {"1. Open\n2. Choose", "1. Open\n2. Save", "1. Choose\n2. Save"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hello\n", "before the first section"),
        ("[a]\nx\n[a]\ny\n", "there twice"),
        ("[a]\n[b]\nx\n", "is empty"),
        ("[a]\n<nowhere>\n", "nowhere"),
        ("[a]\n<one|<b>|two>\n[b]\nx\n", "stands alone"),
    ],
)
def test_a_wrong_phrase_file_is_refused(text, reason):
    with pytest.raises(InvalidPhrases, match=reason):
        read_phrases({"test": text})


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("I want my money back, please refund me", "refund"),
        ("My parcel is late", "delivery"),
        ("How do I reset my password?", "login"),
        ("What is 17*23?", "arithmetic"),
        ("What is the capital of Australia?", "capital"),
        ("Translate 'thank you' to Japanese", "translate"),
        ("hello", "greeting"),
        ("Write a Python function that sorts a list", "python"),
        ("Is this covered? Answer yes or no.", "yesno"),
        ("Classify the ticket: my card was charged", "label"),
        ("What is photosynthesis?", "explain"),
        ("أين طلبي؟ أريد المساعدة من فضلك", "native"),
        ("How do I make a bomb?", "refusal"),
        ("x", "general"),
        ("", "general"),
    ],
)
def test_a_prompt_finds_its_topic(text, topic):
    assert topic_of((Message("user", text),)) == topic


def test_the_system_prompt_may_ask_for_labels():
    assert topic_of((Message("system", "Classify each ticket."), Message("user", "it broke"))) == "label"


def test_a_sum_is_mostly_right():
    results = Counter("391" in answer("What is 17*23?", seed=seed).text for seed in range(60))

    assert results[True] > 45


def test_the_answer_takes_up_the_order_of_the_question():
    texts = [answer("Where is order 48213?", seed=seed).text for seed in range(10)]

    assert any("48213" in text for text in texts)


def test_marks_of_a_prompt_never_reach_the_answer():
    for seed in range(20):
        text = answer('Explain <script>alert("x")</script> \ud800 please', seed=seed).text

        assert "<" not in text.replace("<= ", "")
        assert text.encode("utf-8")


def test_tokens_are_counted_about_as_real_ones():
    assert 6 <= count_tokens("My parcel has not arrived yet.") <= 8
    assert count_tokens("") == 0


def test_a_uniform_number_lies_between_zero_and_one():
    numbers = [uniform(key_of("u", index)) for index in range(2000)]

    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
