"""The words of a request, found and put back."""

from __future__ import annotations

import pytest

from reviewapp.pure.prompts import NoPrompt, Prompt, prompt_of, with_prompt

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "When?", "name": "Ann"},
    ],
}


def test_the_last_question_and_the_system_prompt_are_found():
    assert prompt_of("chat.completions", CHAT) == Prompt("When?", "Be brief.")


def test_only_the_last_question_is_another():
    changed = with_prompt("chat.completions", CHAT, text="Where?")

    assert changed["messages"] == [
        *CHAT["messages"][:3],
        {"role": "user", "content": "Where?", "name": "Ann"},
    ]


def test_nothing_is_changed_where_nothing_is_another():
    assert with_prompt("chat.completions", CHAT, text="When?", system="Be brief.") == {}


def test_an_empty_system_prompt_is_left_out():
    changed = with_prompt("chat.completions", CHAT, text="When?", system="")

    assert changed["messages"] == CHAT["messages"][1:]


def test_a_system_prompt_is_put_before_messages_that_had_none():
    request = {"messages": [{"role": "user", "content": "When?"}]}

    changed = with_prompt("chat.completions", request, text="When?", system="Be kind.")

    assert changed["messages"][0] == {"role": "system", "content": "Be kind."}


def test_beside_a_picture_the_text_is_changed():
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, picture]}]}

    changed = with_prompt("chat.completions", request, text="Who?")

    assert changed["messages"][0]["content"] == [{"type": "text", "text": "Who?"}, picture]


def test_a_completion_has_no_system_prompt():
    assert prompt_of("completions", {"prompt": ["Once"]}) == Prompt("Once", None)
    assert with_prompt("completions", {"prompt": ["Once"]}, text="Twice") == {"prompt": ["Twice"]}


def test_a_response_has_its_instructions():
    request = {"input": "When?", "instructions": "Be brief."}

    assert prompt_of("responses", request) == Prompt("When?", "Be brief.")
    assert with_prompt("responses", request, text="Where?", system="Sing.") == {
        "instructions": "Sing.",
        "input": "Where?",
    }


@pytest.mark.parametrize(
    ("endpoint", "request_"),
    [
        ("embeddings", {"input": "a"}),
        ("completions", {"prompt": [1, 2]}),
        ("chat.completions", {"messages": "no"}),
        ("chat.completions", {"messages": [{"role": "user", "content": []}]}),
        ("responses", {}),
    ],
)
def test_a_request_without_words_is_refused(endpoint, request_):
    with pytest.raises(NoPrompt):
        prompt_of(endpoint, request_)
