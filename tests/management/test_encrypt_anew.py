"""manage.py encrypt_anew: afterwards the first key reads everything, and no other is needed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command

from reviewapp.models import AlertChannel, Erasure, FailedMessage, ProjectPrivacy, Provider, Pseudonym
from reviewapp.models.privacy import opened, seal
from reviewapp.models.provider import EncryptedTextField
from tests import factories

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def run() -> str:
    out = io.StringIO()
    call_command("encrypt_anew", stdout=out)
    return out.getvalue()


def test_what_the_old_key_wrote_the_new_one_reads_alone(settings: Any, project: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    provider = factories.make_provider(project=project, api_key="sk-secret")
    channel = factories.make_channel(project=project, url="https://chat.example/hook", secret="whsec_x")
    message = FailedMessage.objects.create(
        payload=seal(b"a message"), digest=bytes(32), error="", created_at=factories.NOW
    )
    person = factories.make_person()
    secret = totp.generate_totp_secret()
    factor = totp.TOTP.activate(person, secret).instance
    codes = RecoveryCodes.activate(person).get_unused_codes()

    settings.ENCRYPTION_KEYS = [NEW, OLD]
    run()
    settings.ENCRYPTION_KEYS = [NEW]

    assert Provider.objects.get(pk=provider.pk).api_key == "sk-secret"
    kept = AlertChannel.objects.get(pk=channel.pk)
    assert (kept.url, kept.secret) == ("https://chat.example/hook", "whsec_x")
    assert opened(bytes(FailedMessage.objects.get(pk=message.pk).payload)) == b"a message"
    code = totp.format_hotp_value(totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time())))
    assert totp.TOTP(Authenticator.objects.get(pk=factor.pk)).validate_code(code)
    found = Authenticator.objects.get(user=person, type=Authenticator.Type.RECOVERY_CODES)
    assert RecoveryCodes(found).get_unused_codes() == codes


def test_every_encrypted_column_is_gone_over() -> None:
    columns = [
        f"{model._meta.verbose_name_raw}: {field.attname}"
        for model in (Provider, AlertChannel, ProjectPrivacy, Pseudonym, Erasure)
        for field in model._meta.fields
        if isinstance(field, EncryptedTextField)
    ]
    everywhere = [
        field
        for model in apps.get_models()
        for field in model._meta.fields
        if isinstance(field, EncryptedTextField)
    ]

    told = run()

    assert len(columns) == len(everywhere)
    assert [one for one in columns if f"{one}: 0 written anew" not in told] == []


def test_what_no_key_reads_is_told_and_stays(settings: Any, project: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    provider = factories.make_provider(project=project, api_key="sk-secret")
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(CommandError, match="1 values were written with a key that is not here"):
        run()

    settings.ENCRYPTION_KEYS = [OLD]
    assert Provider.objects.get(pk=provider.pk).api_key == "sk-secret"
