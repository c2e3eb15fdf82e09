"""Interactions: one request and its response, as recorded; never changed after.

Hot columns (what lists show and filter) stand in `Interaction`; the bodies stand apart in
`InteractionBody`, so that a page of fifty rows reads fifty small rows; the words for full-text
search stand apart again in `InteractionText`.

A body is the JSON text as it came, compressed: it is never parsed and written again, so NUL
characters, lone surrogates, duplicate keys, NaN and integers of any size survive. What the hot
columns hold is derived from it, once, by the record stage.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from reviewapp.formats.packed import compress as compress
from reviewapp.formats.packed import decompress as decompress
from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped, ScopedQuerySet
from reviewapp.models.source import Source
from reviewapp.pure.ids import new_id


class Endpoint(models.TextChoices):
    CHAT = "chat.completions", "Chat completions"
    RESPONSES = "responses", "Responses"
    COMPLETIONS = "completions", "Completions"
    EMBEDDINGS = "embeddings", "Embeddings"


# The questions that the app's own canaries ask come from this source, with this tag.
CANARY_SOURCE: Final = "canaries"
CANARY_TAG: Final = "canary"
IS_CANARY: Final = models.Q(source__name=CANARY_SOURCE, tags__contains=[CANARY_TAG])


class InteractionQuerySet(ScopedQuerySet):
    def originals(self) -> Self:
        """What sources asked, without the answers that replays got."""
        return self.filter(replay_of__isnull=True)

    def without_canaries(self) -> Self:
        """What sources asked for themselves, without the questions of the app's own canaries."""
        return self.exclude(IS_CANARY)

    def newest_first(self) -> Self:
        return self.order_by(f"-{self.time}", "-id")

    # The time of the interaction by which the list is walked: its own, or the same one that stands beside
    # what few interactions have, where a filter joined that (models/filters.py).
    time: str = "started_at"

    def along(self, time: str) -> Self:
        """To be walked by that time, which is the same as the interaction's own."""
        walked: Self = self._chain()  # type: ignore[attr-defined]
        walked.time = time
        return walked

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone.time = self.time
        return clone


class Interaction(Scoped):
    """The hot columns of one request and its response (or error)."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    endpoint = models.CharField(max_length=20, choices=Endpoint.choices)
    # The model asked for, and the one that the response names.
    model = models.TextField(default="")
    response_model = models.TextField(null=True)
    # Null where none was sent, or where it does not fit 64 bits (the request still has it).
    seed = models.BigIntegerField(null=True)
    fingerprint = models.TextField(null=True)
    # The HTTP status; null when no response ever came (then `error` says why).
    status = models.SmallIntegerField(null=True)
    error = models.TextField(null=True)
    started_at = models.DateTimeField()
    created_at = models.DateTimeField()
    latency_ms = models.IntegerField(null=True)
    finish_reason = models.TextField(null=True)
    input_tokens = models.IntegerField(null=True)
    output_tokens = models.IntegerField(null=True)
    # US dollars by the provider's prices when it was recorded; null where no price or no tokens were known.
    cost = models.FloatField(null=True)
    streamed = models.BooleanField(default=False)
    refused = models.BooleanField(default=False)
    has_logprobs = models.BooleanField(default=False)
    # Over the generated tokens, in nats; null where none were reported.
    mean_logprob = models.FloatField(null=True)
    min_logprob = models.FloatField(null=True)
    # SHA-256 of the canonical request without the seed; see pure/canonical.py.
    request_hash = models.BinaryField(max_length=32)
    # One line each for lists; the bodies have the whole.
    prompt_preview = models.TextField(default="")
    answer_preview = models.TextField(default="")
    trace = models.TextField(null=True)
    session = models.TextField(null=True)
    end_user = models.TextField(null=True)
    tags = ArrayField(models.TextField(), default=list)
    # How many different values were hidden before it was stored.
    hidden = models.PositiveIntegerField(default=0, db_default=0)
    # The interaction that this one asked again; null for what a source asked.
    replay_of = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, related_name="answers", db_index=False
    )

    objects: ClassVar[Any] = InteractionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(endpoint__in=Endpoint.values), name="interaction_endpoint_known"
            ),
            models.CheckConstraint(
                condition=models.Q(status__isnull=False) | models.Q(error__isnull=False),
                name="interaction_status_or_error",
            ),
        ]
        indexes = [
            # The list, newest first; also since/until.
            models.Index(
                "project",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_newest",
                condition=models.Q(replay_of__isnull=True),
            ),
            # The list narrowed to one source, provider, model, fingerprint.
            models.Index(
                "project",
                "source",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_source",
                condition=models.Q(replay_of__isnull=True),
            ),
            models.Index(
                "project",
                "model",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_model",
                condition=models.Q(replay_of__isnull=True),
            ),
            models.Index(
                "project",
                "fingerprint",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_fingerprint",
                condition=models.Q(replay_of__isnull=True),
            ),
            # One seed, or a range of seeds.
            models.Index(
                fields=["project", "seed"], name="interaction_seed", condition=models.Q(seed__isnull=False)
            ),
            # Equal requests: reuse, and `request_hash=`.
            models.Index(fields=["project", "request_hash", "seed"], name="interaction_hash"),
            # One trace.
            models.Index(
                fields=["project", "trace"], name="interaction_trace", condition=models.Q(trace__isnull=False)
            ),
            # One session, one end user.
            models.Index(
                fields=["project", "session"],
                name="interaction_session",
                condition=models.Q(session__isnull=False),
            ),
            models.Index(
                fields=["project", "end_user"],
                name="interaction_user",
                condition=models.Q(end_user__isnull=False),
            ),
            # The list with the answers of replays among it (`replays=all`, `replays=yes`).
            models.Index(
                "project",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_with_answers",
            ),
            # Errors, newest first: rare rows, so a small index.
            models.Index(
                "project",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_errors",
                condition=~models.Q(status=200) | models.Q(status__isnull=True),
            ),
            # One of the rare statuses, or one that none has: `status=404`, `none`, `4xx`.
            models.Index(
                "project",
                "status",
                models.F("started_at").desc(),
                models.F("id").desc(),
                name="interaction_status",
                condition=~models.Q(status=200) | models.Q(status__isnull=True),
            ),
            # The answers of replays, found from their original.
            models.Index(
                fields=["replay_of"],
                name="interaction_replay_of",
                condition=models.Q(replay_of__isnull=False),
            ),
            # What cost most, and what cost more than so much: dear answers are few.
            models.Index(
                fields=["project", "cost"], name="interaction_cost", condition=models.Q(cost__isnull=False)
            ),
            # What the watch stage pulls: everything recorded since it last looked, replays too.
            models.Index(fields=["created_at", "id"], name="interaction_recorded"),
            # One tag.
            GinIndex(fields=["tags"], name="interaction_tags", condition=~models.Q(tags=[])),
            # A value that few rows have, or none, of the fields that have few values: a byte or two for a
            # row and field, where an index along the list would take fifty. What many have is met along it.
            GinIndex(
                fields=["project", "provider", "endpoint", "model", "response_model", "finish_reason"],
                name="interaction_values",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def request_digest(self) -> str:
        """The request hash as interfaces and screens show it."""
        return "sha256:" + bytes(self.request_hash).hex()

    @property
    def certainty(self) -> float | None:
        """How probable its tokens were on the average: the geometric mean of their probabilities."""
        return None if self.mean_logprob is None else math.exp(min(self.mean_logprob, 0.0))

    @property
    def is_error(self) -> bool:
        return self.status is None or self.status >= 400


class InteractionBody(models.Model):
    """The request, the response and the stream's chunks, each as it came, compressed.

    `response` is what the plain endpoint would have answered (for a stream: the chunks merged);
    where `response_is_json` is false it is the body as text.
    """

    interaction = models.OneToOneField(
        Interaction, on_delete=models.CASCADE, primary_key=True, related_name="body"
    )
    request = models.BinaryField()
    response = models.BinaryField(null=True)
    response_is_json = models.BooleanField(default=True)
    chunks = models.BinaryField(null=True)
    metadata = models.BinaryField(null=True)
    # The response headers that are part of the backend's identity, by lower-case name.
    headers = models.JSONField(default=dict)
    # How many values of which kind were hidden, by detector; null where none was.
    hidden = models.JSONField(null=True)
    # What counting needs of the texts, so that it reads none of them: the request's shape (pure/pools), and
    # the service tier and the seed that the answer names. Null shape: recorded before these were derived.
    shape = models.TextField(null=True)
    service_tier = models.TextField(null=True)
    answered_seed = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"body of {self.interaction_id}"

    @property
    def request_text(self) -> bytes:
        return decompress(self.request)

    @property
    def response_text(self) -> bytes | None:
        return None if self.response is None else decompress(self.response)

    @property
    def chunks_text(self) -> bytes | None:
        return None if self.chunks is None else decompress(self.chunks)

    @property
    def metadata_text(self) -> bytes | None:
        return None if self.metadata is None else decompress(self.metadata)


class InteractionText(models.Model):
    """The words of prompt and answer, for full-text search."""

    interaction = models.OneToOneField(
        Interaction, on_delete=models.CASCADE, primary_key=True, related_name="text"
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = SearchVectorField()

    class Meta:
        indexes = [
            # Words within one project: the rare word is found here, the common one by walking the list.
            GinIndex(fields=["project", "document"], name="interaction_words"),
        ]

    def __str__(self) -> str:
        return f"words of {self.interaction_id}"


class FailedMessage(models.Model):
    """A message that could not be recorded: set aside, shown in the app, can be tried again."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="+")
    payload = models.BinaryField()
    digest = models.BinaryField(max_length=32, unique=True)
    error = models.TextField()
    created_at = models.DateTimeField()
    retried_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)
    # When an alert told of it.
    told_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # What the watch stage looks for every few seconds; mostly empty.
            models.Index(fields=["id"], name="failed_message_untold", condition=models.Q(told_at=None)),
            # A project's list, newest first.
            models.Index(
                fields=["project", "-created_at", "-id"],
                name="failed_message_waiting",
                condition=models.Q(recorded_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.error[:60]}"
