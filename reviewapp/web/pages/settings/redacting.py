"""The form of what a source hides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from reviewapp.models import Source
from reviewapp.pure.redaction import DETECTORS, InvalidPolicy, OwnPattern, Policy, check_policy, read_policy
from reviewapp.pure.redaction.policies import patterns_of
from reviewapp.web.refusals import reason_of

EXAMPLE = r"customer C-\d{6}"
KINDS: dict[str, Any] = {
    "email": gettext_lazy("E-mail addresses"),
    "phone": gettext_lazy("Telephone numbers"),
    "iban": gettext_lazy("IBANs (their checksum must be right)"),
    "card": gettext_lazy("Payment cards (their checksum must be right)"),
    "ip": gettext_lazy("IP addresses"),
    "key": gettext_lazy("Keys, tokens and passwords"),
}


class RedactionForm(forms.Form):
    """What is hidden; own patterns as lines of a name and the pattern."""

    detectors = forms.MultipleChoiceField(
        label=gettext_lazy("Hide"),
        choices=list(KINDS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    patterns = forms.CharField(
        label=gettext_lazy("Own patterns"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(
            attrs={"class": "textarea mono", "rows": 3, "spellcheck": "false", "placeholder": EXAMPLE}
        ),
        help_text=gettext_lazy(
            "A line for each: a name, then a regular expression as RE2 knows it. "
            "What it matches becomes [name]."
        ),
    )

    def clean_patterns(self) -> tuple[OwnPattern, ...]:
        try:
            return patterns_of(self.cleaned_data["patterns"].splitlines())
        except InvalidPolicy as error:
            raise forms.ValidationError(reason_of(error)) from None

    def clean(self) -> dict[str, Any]:
        """The policy that the fields say."""
        if not self.errors:
            chosen = self.cleaned_data["detectors"]
            policy = Policy(
                tuple(name for name in DETECTORS if name in chosen), self.cleaned_data["patterns"]
            )
            try:
                check_policy(policy)
            except InvalidPolicy as error:
                self.add_error(error.field, reason_of(error))
            self.cleaned_data["policy"] = policy
        return self.cleaned_data


def form_of(source: Source) -> RedactionForm:
    """The form with what is hidden now."""
    policy = read_policy(source.redaction)
    return RedactionForm(
        initial={
            "detectors": policy.detectors,
            "patterns": "\n".join(f"{one.name} {one.pattern}" for one in policy.patterns),
        }
    )
