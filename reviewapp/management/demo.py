"""What the demo project is asked: three assistants, a few hundred questions, some languages.

Every question is put to the simulated provider through the gateway; nothing here is an answer.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

SUPPORT = (
    "You are the support assistant of a shoe shop. Answer briefly and kindly. "
    "Never promise what the policy does not say."
)
DOCS = "You explain our billing software to accountants. Use short lists where they help."
CHECKOUT = "You decide whether an order looks normal. Answer with one short paragraph."

SUPPORT_QUESTIONS = (
    "Can I still return shoes that I wore once outside?",
    "When is my refund due?",
    "Where is my parcel {n}?",
    "My parcel {n} arrived damaged. What now?",
    "How do I change the delivery address of order {n}?",
    "The left shoe is a size too small. Can I swap only that one?",
    "Do you ship to Norway, and what does it cost?",
    "I was charged twice for order {n}.",
    "Wo ist meine Bestellung {n}?",
    "Je veux annuler ma commande {n}.",
    "How do I reset my password?",
    "Is the warranty still valid after two years?",
    "Can I pay by invoice?",
    "How long does a refund take on a credit card?",
    "The discount code SUMMER does not work.",
    "هل يمكنني تغيير عنوان التوصيل؟",
    "返金はいつ届きますか？",
)
DOCS_QUESTIONS = (
    "Explain in three bullet points how to correct an invoice that was sent already.",
    "What is the difference between a credit note and a refund?",
    "How do I export all invoices of March?",
    "Why is the tax rate of invoice {n} wrong?",
    "Show an example of the JSON that the export writes for one invoice.",
    "How do I add a second approver?",
    "Write a short e-mail that reminds a customer of invoice {n}.",
    "What happens to drafts when a period is closed?",
)
CHECKOUT_QUESTIONS = (
    "Order {n}: 14 pairs of the same shoe, express, billing in Oslo, delivery in Lisbon.",
    "Order {n}: one pair, returning customer, usual address.",
    "Order {n}: gift card of 900 paid with three different cards.",
)
MODELS = ("sim-small", "sim-small", "sim-small", "sim-large", "sim-rotating", "sim-steady")

# Made up like the models, so that runs have a cost to show: US dollars for a million tokens.
PRICES = {
    "sim-small": {"input": 0.15, "output": 0.6},
    "sim-large": {"input": 2.5, "output": 10.0},
    "sim-rotating": {"input": 0.15, "output": 0.6},
    "sim-steady": {"input": 0.4, "output": 1.6},
    "sim-flaky": {"input": 0.15, "output": 0.6},
}

# Backends whose answers differ from one time to the next, each for a reason of its own: what a replay of
# them shows is what people come to see.
CHANGEABLE = (
    ("sim-fleet", "Which size should I order if I am between two?"),
    ("sim-no-seed", "Which socks go with hiking boots?"),
)

FLAGGED: tuple[tuple[str, str, str, str], ...] = (
    (
        "Can I still return shoes that I wore once outside?",
        "Wrong",
        "high",
        "Policy says worn shoes can't be returned.",
    ),
    ("When is my refund due?", "Needs reproducing", "medium", "Says something else than yesterday."),
    ("Can I pay by invoice?", "Wrong", "critical", "We stopped that in spring."),
    ("What is the difference between a credit note and a refund?", "Off topic", "low", ""),
    ("How do I reset my password?", "Bad format", "low", "Too long for the chat window."),
    ("Is the warranty still valid after two years?", "Needs reproducing", "high", ""),
    ("Which size should I order if I am between two?", "Needs reproducing", "medium", ""),
    ("Which socks go with hiking boots?", "Needs reproducing", "low", ""),
)
ANNOTATED: tuple[tuple[str, dict[str, Any], str, Callable[[str], str] | None], ...] = (
    (
        "Can I still return shoes that I wore once outside?",
        {"verdict": "bad", "correct": False, "helpful": 2},
        "Promises a refund that the policy rules out.",
        lambda text: "Shoes that were worn outside can't be returned, I'm sorry. " + text.split(". ", 1)[-1],
    ),
    ("When is my refund due?", {"verdict": "good", "correct": True, "helpful": 4}, "", None),
    (
        "Do you ship to Norway, and what does it cost?",
        {"verdict": "minor", "correct": True, "helpful": 3},
        "Lacks the price.",
        None,
    ),
    ("How do I add a second approver?", {"verdict": "good", "correct": True, "helpful": 5}, "", None),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make: who asks, and what."""

    source: str
    request: dict[str, Any]
    tags: tuple[str, ...] = ()
    session: str = ""
    user: str = ""
    extra: dict[str, str] = field(default_factory=dict)


_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up_order",
        "description": "Where an order is.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
}


def calls(*, rounds: int = 8) -> Iterator[Call]:
    """The demo's calls, the same at every first start."""
    rng = random.Random(20261122)  # noqa: S311  # a demo, not a secret
    numbers = itertools.count(4471)
    for turn in range(rounds):
        for source, system, questions in (
            ("support-bot", SUPPORT, SUPPORT_QUESTIONS),
            ("docs-assistant", DOCS, DOCS_QUESTIONS),
            ("order-check", CHECKOUT, CHECKOUT_QUESTIONS),
        ):
            for question in questions:
                text = question.format(n=next(numbers))
                request: dict[str, Any] = {
                    "model": rng.choice(MODELS),
                    "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
                    "temperature": rng.choice((0, 0.7, 0.7, 1)),
                }
                if rng.random() < 0.9:
                    request["seed"] = rng.randint(1, 2**31 - 1)
                if rng.random() < 0.5:
                    request |= {"stream": True, "stream_options": {"include_usage": True}}
                if "parcel" in text and turn % 2:
                    request["tools"] = [_TOOL]
                yield Call(
                    source=source,
                    request=request,
                    tags=("demo",) if turn else ("demo", "first day"),
                    session=f"session-{rng.randint(1, 60)}",
                    user=f"customer-{rng.randint(1, 40)}",
                )
    for at, (model, question) in enumerate(CHANGEABLE, start=1):
        yield Call(
            source="support-bot",
            request={
                "model": model,
                "messages": [{"role": "system", "content": SUPPORT}, {"role": "user", "content": question}],
                "temperature": 1,
                "seed": at,
                "logprobs": True,
                "top_logprobs": 5,
            },
            tags=("demo",),
        )
    for number in range(6):
        yield Call(
            source="order-check",
            request={
                "model": "sim-flaky",
                "messages": [{"role": "user", "content": f"Order {next(numbers)}: is it normal?"}],
                "seed": number + 1001,
            },
            tags=("demo",),
        )
