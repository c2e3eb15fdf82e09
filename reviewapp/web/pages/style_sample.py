"""Sample data of the style guide: enough of everything to see each component in each state."""

# ruff: noqa: E501  # rows of sample data read best as rows
from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

FINGERPRINTS = (
    ("fp_44709d6fcb", "accepted"),
    ("fp_a1c9e02b7d", "new"),
    ("fp_0ba0d124f1", "overlap"),
    ("fp_f3927aa00d", "retired"),
    ("vllm-0.24.0-tp4-6d31f84d", "accepted"),
    ("b7010-c27efd2bd", ""),
    ("fp_8b330d02d0_prod0820_fp8_kvcache_20260402", "accepted"),
    (None, ""),
)

PROBABILITIES = (
    ("You", 0.99), (" can", 0.97), (" return", 0.88), (" the", 0.99), (" shoes", 0.71), (" within", 0.93), (" 30", 0.52),
    (" days", 0.99), (" of", 0.96), (" delivery", 0.34), (",", 0.62), (" as", 0.58), (" long", 0.98), (" as", 0.99),
    (" they", 0.83), (" are", 0.79), (" unworn", 0.24), (" and", 0.91), (" in", 0.66), (" the", 0.85), (" original", 0.97),
    (" box", 0.13), (".", 0.95), (" We", 0.41), (" will", 0.68), (" refund", 0.82), (" you", 0.03), (" within", 0.74),
    (" five", 0.49), (" working", 0.57), (" days", 0.98), (".", 0.99),
)  # fmt: skip

ROWS = (
    ("support-bot", "Can I still return shoes that I wore once outside?",
     "You can return the shoes within 30 days of delivery, as long as they are unworn.",
     "gpt-4o-mini", 1_842_113_907, 0, "backend_changed", ("wrong", "high"), 812, 184),
    ("support-bot", "Wo ist meine Bestellung 4471?", "Ihre Bestellung wurde gestern an DHL übergeben und kommt am Dienstag an.",
     "gpt-4o-mini", 1_842_113_906, 0, "identical", None, 640, 97),
    ("claims-triage", "Summarise the attached damage report in three bullet points for the adjuster.",
     "• Water ingress through the kitchen ceiling on 4 March  • Estimated cost …",
     "gpt-4o-2024-08-06", 77, 4, "nondeterministic", ("tone", "low"), 2_314, 1_208),
    ("support-bot", "هل يمكنني تغيير عنوان التوصيل؟", "نعم، يمكنك تغيير العنوان قبل شحن الطلب من صفحة طلباتي.",
     "gpt-4o-mini", 1_842_113_905, 1, "equivalent", None, 701, 143),
    ("search-rewrite", "cheap flights lisbon berlin next weekend no layover",
     '{"from": "LIS", "to": "BER", "date": "2026-11-28", "stops": 0}', "llama-3.3-70b", 123, 5, None, None, 188, 41),
    ("claims-triage", "Is the policy holder covered for theft from an unlocked car?",
     "No. Section 4.2 excludes theft from vehicles that were left unlocked.",
     "gpt-4o-2024-08-06", 78, 2, "inconclusive", ("policy", "critical"), 1_530, 512),
    ("support-bot", "Cancel my subscription please", "I have cancelled your subscription; it stays active until 30 November.",
     "deepseek-chat", 4, 7, "failed", None, 30_000, 0),
)  # fmt: skip


class SampleForm(forms.Form):
    """One field of each kind, one of them wrong."""

    name = forms.CharField(label=_("Name"), help_text=_("As people will see it in lists."))
    base_url = forms.URLField(label=_("Base URL"), assume_scheme="https")
    policy = forms.ChoiceField(
        label=_("Seed policy"),
        choices=[("fixed", _("fixed")), ("sequence", _("sequence")), ("random", _("random in range"))],
    )
    note = forms.CharField(label=_("Note"), widget=forms.Textarea(attrs={"rows": 3}), required=False)
    logprobs = forms.BooleanField(
        label=_("Ask for log probabilities"),
        help_text=_("Costs nothing and lets a replay tell chance from change."),
    )


def sample(*, now: dt.datetime) -> dict[str, Any]:
    """The context of the style guide."""
    form = SampleForm(
        {"name": "OpenAI, EU", "base_url": "not an address", "policy": "random", "logprobs": "on"}
    )
    form.is_valid()
    rows = [
        {
            "id": f"row-{index}", "source": source, "prompt": prompt, "answer": answer, "model": model, "seed": seed,
            "fingerprint": FINGERPRINTS[mark][0], "state": FINGERPRINTS[mark][1], "verdict": verdict, "flag": flag,
            "latency": latency, "tokens": tokens, "at": now - dt.timedelta(minutes=7 * index * index),
        }
        for index, (source, prompt, answer, model, seed, mark, verdict, flag, latency, tokens) in enumerate(ROWS)
    ]  # fmt: skip
    return {
        "now": now,
        "rows": rows,
        "form": form,
        "fingerprints": FINGERPRINTS,
        "verdicts": [
            "identical",
            "equivalent",
            "nondeterministic",
            "backend_changed",
            "inconclusive",
            "failed",
            None,
        ],
        "counts": {
            "identical": 1608, "equivalent": 212, "nondeterministic": 96, "backend_changed": 41, "inconclusive": 9,
            "failed": 6,
        },
        "tokens": [{"text": text, "p": p, "sure": _sureness(p)} for text, p in PROBABILITIES],
        "alternatives": [
            {"text": " box", "p": 0.47, "chosen": False},
            {"text": " packaging", "p": 0.38, "chosen": False},
            {"text": " carton", "p": 0.13, "chosen": True},
        ],
        "trend": [0.94, 0.95, 0.93, 0.96, 0.95, None, 0.96, 0.97, 0.94, 0.88, 0.71, 0.69],
        "ranges": [
            {"name": "support-bot", "low": 1, "high": 400_000, "used": 0.62},
            {"name": "claims-triage", "low": 450_000, "high": 600_000, "used": 0.1},
            {"name": "search-rewrite", "low": 700_000, "high": 980_000, "used": 0.95},
        ],
        "moments": [now - dt.timedelta(seconds=s) for s in (12, 340, 9_000, 200_000, 40_000_000)],
        "tree": {
            "model": "gpt-4o-mini", "seed": 1842113907, "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": {"name": "refund", "strict": True}},
            "messages": [{"role": "user", "content": "Can I still return shoes that I wore once outside?"}],
            "stop": None, "logprobs": True,
        },
        "curl": 'curl https://api.openai.com/v1/chat/completions \\\n  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  -d \'{"model": "gpt-4o-mini", "seed": 1842113907}\'',
    }  # fmt: skip


def _sureness(p: float) -> int:
    """The step of a token's tint."""
    return sum(p >= border for border in (0.05, 0.2, 0.4, 0.6, 0.8, 0.95))
