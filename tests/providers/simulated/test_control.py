"""The controls: a change of the backend shows in what clients get, at once, and can be taken back."""

from __future__ import annotations

import openai
import pytest

QUESTIONS = [
    f"{question} ({number})"
    for question in ("Where is my parcel?", "I want a refund", "My app crashes", "Explain tides")
    for number in range(6)
]


def texts(client: openai.OpenAI, model: str = "sim-steady") -> list[str]:
    return [
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], temperature=0
        ).choices[0].message.content
        for question in QUESTIONS
    ]  # fmt: skip


def distance(client: openai.OpenAI, before: dict[str, float], model: str = "sim-steady") -> float:
    after = canary(client, model)
    shared = before.keys() & after.keys()
    return sum(abs(after[token] - before[token]) for token in shared) / len(shared)


def canary(client: openai.OpenAI, model: str = "sim-steady") -> dict[str, float]:
    found = {}
    for word in ("x", "and", "order", "hello", "blue"):
        reply = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": word}],
            temperature=0,
            max_tokens=1,
            logprobs=True,
            top_logprobs=20,
        )
        for entry in reply.choices[0].logprobs.content[0].top_logprobs:
            found[f"{word}/{entry.token}"] = entry.logprob
    return found


def fingerprints(client: openai.OpenAI, model: str, times: int = 20) -> set[str | None]:
    return {
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=1
        ).system_fingerprint
        for _ in range(times)
    }


def change(http, **body):
    reply = http.post("/_sim/change", json=body)
    reply.raise_for_status()
    return reply.json()


def test_a_lot_with_a_new_fingerprint_changes_nearly_all_texts(client, http):
    before = texts(client)

    made = change(http, model="sim-steady", size="lot", fingerprint="new")

    after = texts(client)
    assert sum(old != new for old, new in zip(before, after, strict=True)) > 0.7 * len(before)
    assert fingerprints(client, "sim-steady", 3) == {made["changed"]["sim-steady"]["value"]}


def test_a_little_changes_few_texts_and_moves_all_log_probabilities(client, http):
    before, told = texts(client), canary(client)

    change(http, model="sim-steady", size="little", fingerprint="same")

    after = texts(client)
    assert sum(old != new for old, new in zip(before, after, strict=True)) <= 0.6 * len(before)
    assert 0.005 < distance(client, told) < 0.05
    assert fingerprints(client, "sim-steady", 3) == {"sim-b7010-c27efd2bd"}


def test_a_new_fingerprint_alone_leaves_the_behaviour_as_it_was(client, http):
    before = canary(client)

    change(http, model="sim-steady", size="none", fingerprint="new")

    assert canary(client) == before
    assert fingerprints(client, "sim-steady", 2) != {"sim-b7010-c27efd2bd"}


def test_a_change_reaches_only_its_share_of_the_requests(client, http):
    change(http, model="sim-steady", size="lot", fingerprint="fp_canary", share=0.3)

    seen = [next(iter(fingerprints(client, "sim-steady", 1))) for _ in range(60)]

    assert 5 <= seen.count("fp_canary") <= 35
    assert set(seen) == {"fp_canary", "sim-b7010-c27efd2bd"}


def test_a_vendor_may_stop_reporting(client, http):
    change(http, model="sim-steady", size="none", fingerprint="null")

    assert fingerprints(client, "sim-steady", 2) == {None}


def test_a_changed_sampler_leaves_the_log_probabilities_as_they_were(client, http):
    told = canary(client)
    asked = {"model": "sim-steady", "messages": [{"role": "user", "content": "I want a refund"}]}
    before = [
        client.chat.completions.create(**asked, seed=seed).choices[0].message.content for seed in range(12)
    ]

    change(http, model="sim-steady", size="none", fingerprint="same", top_p=0.5)

    after = [
        client.chat.completions.create(**asked, seed=seed).choices[0].message.content for seed in range(12)
    ]
    assert canary(client) == told
    assert sum(old != new for old, new in zip(before, after, strict=True)) >= 6


def test_a_reset_brings_the_old_backend_back(client, http):
    before = canary(client)
    change(http, model="sim-steady", size="lot")

    http.post("/_sim/reset", json={"model": "sim-steady"}).raise_for_status()

    assert canary(client) == before
    assert http.get("/_sim/state").json()["models"]["sim-steady"]["changes"] == []


def test_all_models_can_be_changed_at_once(http):
    made = change(http, model="*", size=0.1)

    assert "sim-small" in made["changed"]
    assert made["changed"]["sim-embed"]["size"] == 0.1


def test_a_changed_backend_turns_embeddings_a_little(client, http):
    def embedded() -> list[float]:
        return client.embeddings.create(model="sim-embed", input="a refund for my order").data[0].embedding

    before = embedded()
    change(http, model="sim-embed", size="little")

    likeness = sum(old * new for old, new in zip(before, embedded(), strict=True))
    assert 0.99 < likeness < 0.99999


def test_the_state_says_what_answers_and_what_was_changed(client, http):
    fingerprints(client, "sim-small", 3)
    change(http, model="sim-small", size="little", fingerprint="fp_next", share=0.25)

    state = http.get("/_sim/state").json()

    model = state["models"]["sim-small"]
    assert state["simulated"] is True
    assert model["requests"] == 3
    assert model["changes"][0]["value"] == "fp_next"
    assert {backend["fingerprint"]: backend["share"] for backend in model["backends"]} == {
        "fp_44a1c09e7d": 0.6,
        "fp_9be02f6c31": 0.15,
        "fp_next": 0.25,
    }


def test_settings_can_be_laid_over_at_run_time(client, http):
    http.post(
        "/_sim/state", json={"models": {"sim-steady": {"fingerprint": {"kind": "null"}}}}
    ).raise_for_status()

    assert fingerprints(client, "sim-steady", 2) == {None}


def test_a_model_can_be_added_at_run_time(client, http):
    http.post("/_sim/state", json={"models": {"mine": {"extends": "sim-steady"}}}).raise_for_status()

    assert fingerprints(client, "mine", 1) == {"sim-b7010-c27efd2bd"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/_sim/change", {}, "model"),
        ("/_sim/change", {"model": "nope"}, "model"),
        ("/_sim/change", {"model": "sim-small", "size": "huge"}, "size"),
        ("/_sim/change", {"model": "sim-small", "share": 2}, "share"),
        ("/_sim/change", {"model": "sim-small", "fingerprnt": "new"}, "fingerprnt"),
        ("/_sim/faults", {"model": "sim-small", "next": ["flood"]}, "next[0]"),
        ("/_sim/faults", {"model": "sim-small", "shares": {"timeout": 3}}, "shares.timeout"),
        ("/_sim/state", {"models": {"sim-small": {"flip_share": 7}}}, "models.sim-small.flip_share"),
        ("/_sim/reset", {"model": "nope"}, "model"),
    ],
)
def test_a_wrong_control_is_refused_by_name_and_changes_nothing(http, path, body, field):
    before = http.get("/_sim/state").json()["models"]

    reply = http.post(path, json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == field
    assert http.get("/_sim/state").json()["models"] == before


def test_a_plain_form_cannot_press_a_control(http):
    reply = http.post(
        "/_sim/change", content=b'{"model": "sim-small"}', headers={"Content-Type": "text/plain"}
    )

    assert reply.status_code == 400
    assert http.get("/_sim/state").json()["models"]["sim-small"]["changes"] == []


def test_received_requests_can_be_seen_without_their_keys(client, http):
    http.delete("/_sim/requests")
    client.chat.completions.create(model="sim-steady", messages=[{"role": "user", "content": "hi"}], seed=5)

    found = http.get("/_sim/requests", params={"model": "sim-steady"}).json()["items"]

    assert len(found) == 1
    assert found[0]["seed"] == found[0]["used_seed"] == 5
    assert found[0]["status"] == 200
    assert '"content":"hi"' in found[0]["body"]
    assert ["authorization", "…"] in found[0]["headers"]
    assert "sk-any" not in str(found)


def test_the_page_for_people_says_that_it_is_a_simulation(http):
    reply = http.get("/")

    assert "Simulated provider" in reply.text
    assert reply.headers["x-simulated-provider"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 404), ("PUT", "/_sim/state", 405)],
)
def test_other_addresses_answer_in_openais_shape(http, method, path, status):
    reply = http.request(method, path)

    assert reply.status_code == status
    assert path in reply.json()["error"]["message"]
    assert reply.headers["x-simulated-provider"] == "1"
