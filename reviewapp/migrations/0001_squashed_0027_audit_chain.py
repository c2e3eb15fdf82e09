"""All migrations up to 0027_audit_chain in one: a new installation makes its tables in a fifth of the time.

Made from the models; what the database is told beside them stands here once more, and the test of
migrations compares the two ways. An installation that has some of them goes on one by one.
"""

from __future__ import annotations

import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import reviewapp.models.project
import reviewapp.models.provider
import reviewapp.models.seeds
import reviewapp.pure.ids
from django.conf import settings
from django.contrib.postgres.operations import BtreeGinExtension, BtreeGistExtension, TrigramExtension
from django.db import migrations, models

# What is compressed already, PostgreSQL must not try to compress again.
STORAGE = """
ALTER TABLE reviewapp_interactionbody
    ALTER COLUMN request SET STORAGE EXTERNAL,
    ALTER COLUMN response SET STORAGE EXTERNAL,
    ALTER COLUMN chunks SET STORAGE EXTERNAL,
    ALTER COLUMN metadata SET STORAGE EXTERNAL;
ALTER TABLE reviewapp_waitingwords ALTER COLUMN texts SET STORAGE EXTERNAL;
"""
# The audit trail and its seals can only be added to: the database refuses to change or delete an entry.
AUDIT = """
CREATE FUNCTION reviewapp_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An entry of the audit log is never changed or deleted.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON reviewapp_auditentry
    FOR EACH ROW EXECUTE FUNCTION reviewapp_refuse_change();
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE ON reviewapp_auditseal
    FOR EACH ROW EXECUTE FUNCTION reviewapp_refuse_change();
CREATE FUNCTION reviewapp_note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reviewapp_auditunsealed (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_note_unsealed AFTER INSERT ON reviewapp_auditentry
    FOR EACH ROW EXECUTE FUNCTION reviewapp_note_unsealed();
"""


class CreateAll(migrations.SeparateDatabaseAndState):
    """The models of `state_operations`, each table made as it is in the end.

    Django makes all related models anew after each single operation, which with seventy models takes
    nearly all of the time.
    """

    def __init__(self, state_operations):
        super().__init__(state_operations=state_operations)

    def state_forwards(self, app_label, state):
        state.__dict__.pop("apps", None)
        super().state_forwards(app_label, state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for operation in self.state_operations:
            if isinstance(operation, migrations.CreateModel):
                schema_editor.create_model(to_state.apps.get_model(app_label, operation.name))

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        for operation in reversed(self.state_operations):
            if isinstance(operation, migrations.CreateModel):
                schema_editor.delete_model(from_state.apps.get_model(app_label, operation.name))


class Migration(migrations.Migration):
    replaces = [
        ("reviewapp", "0001_initial"),
        ("reviewapp", "0002_replay_workers"),
        ("reviewapp", "0003_run_of_comparison"),
        ("reviewapp", "0004_fingerprints"),
        ("reviewapp", "0005_comparisons_in_order"),
        ("reviewapp", "0006_alerts"),
        ("reviewapp", "0007_backend_changes"),
        ("reviewapp", "0008_queues"),
        ("reviewapp", "0009_parts_of_identity"),
        ("reviewapp", "0010_seed_ranges"),
        ("reviewapp", "0011_canaries"),
        ("reviewapp", "0012_reuse"),
        ("reviewapp", "0013_failed_messages_told"),
        ("reviewapp", "0014_audit_append_only"),
        ("reviewapp", "0015_indexes_of_lists"),
        ("reviewapp", "0016_file_imports"),
        ("reviewapp", "0017_file_import_worker"),
        ("reviewapp", "0018_verification_retried"),
        ("reviewapp", "0019_scope_of_changes"),
        ("reviewapp", "0020_discussions"),
        ("reviewapp", "0021_waiting_words"),
        ("reviewapp", "0022_studies"),
        ("reviewapp", "0023_seed_probes"),
        ("reviewapp", "0024_saved_views"),
        ("reviewapp", "0025_finding"),
        ("reviewapp", "0026_judgements_in_files"),
        ("reviewapp", "0027_audit_chain"),
    ]

    initial = True

    dependencies = [
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [
        # uuid and tsvector in one GIN index; trigrams for suggestions while typing; ranges that exclude each other.
        BtreeGinExtension(),
        TrigramExtension(),
        BtreeGistExtension(),
        CreateAll(
            [
                migrations.CreateModel(
                    name="AuditUnsealed",
                    fields=[
                        ("entry_id", models.UUIDField(primary_key=True, serialize=False)),
                    ],
                ),
                migrations.CreateModel(
                    name="Interaction",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "endpoint",
                            models.CharField(
                                choices=[
                                    ("chat.completions", "Chat completions"),
                                    ("responses", "Responses"),
                                    ("completions", "Completions"),
                                    ("embeddings", "Embeddings"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("model", models.TextField(default="")),
                        ("response_model", models.TextField(null=True)),
                        ("seed", models.BigIntegerField(null=True)),
                        ("fingerprint", models.TextField(null=True)),
                        ("status", models.SmallIntegerField(null=True)),
                        ("error", models.TextField(null=True)),
                        ("started_at", models.DateTimeField()),
                        ("created_at", models.DateTimeField()),
                        ("latency_ms", models.IntegerField(null=True)),
                        ("finish_reason", models.TextField(null=True)),
                        ("input_tokens", models.IntegerField(null=True)),
                        ("output_tokens", models.IntegerField(null=True)),
                        ("streamed", models.BooleanField(default=False)),
                        ("refused", models.BooleanField(default=False)),
                        ("has_logprobs", models.BooleanField(default=False)),
                        ("mean_logprob", models.FloatField(null=True)),
                        ("min_logprob", models.FloatField(null=True)),
                        ("request_hash", models.BinaryField(max_length=32)),
                        ("prompt_preview", models.TextField(default="")),
                        ("answer_preview", models.TextField(default="")),
                        ("trace", models.TextField(null=True)),
                        ("session", models.TextField(null=True)),
                        ("end_user", models.TextField(null=True)),
                        (
                            "tags",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), default=list, size=None
                            ),
                        ),
                        (
                            "replay_of",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="answers",
                                to="reviewapp.interaction",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Project",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        ("name", models.CharField(max_length=120)),
                        ("created_at", models.DateTimeField()),
                    ],
                ),
                migrations.CreateModel(
                    name="Provider",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("base_url", models.URLField(blank=True, max_length=500)),
                        ("api_key", reviewapp.models.provider.EncryptedTextField(blank=True, null=True)),
                        ("max_concurrency", models.PositiveIntegerField(default=20)),
                        ("requests_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                        ("tokens_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                        ("timeout_seconds", models.PositiveIntegerField(default=120)),
                        ("prices", models.JSONField(blank=True, default=dict)),
                        ("is_default", models.BooleanField(default=False)),
                        ("is_simulated", models.BooleanField(default=False)),
                        ("created_at", models.DateTimeField()),
                        ("tested", models.JSONField(blank=True, default=dict)),
                        ("verifies_by_itself", models.BooleanField(default=False)),
                        ("probe_every_hours", models.PositiveIntegerField(blank=True, null=True)),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="providers",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("project", "name"), name="provider_name_once"),
                            models.UniqueConstraint(
                                condition=models.Q(("is_default", True)),
                                fields=("project",),
                                name="provider_one_default",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("max_concurrency__gte", 1), ("max_concurrency__lte", 1000)
                                ),
                                name="provider_concurrency_range",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SeedRange",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("first", models.BigIntegerField()),
                        ("last", models.BigIntegerField()),
                        (
                            "policy",
                            models.CharField(
                                choices=[
                                    ("random", "Random, none twice"),
                                    ("sequence", "Sequence"),
                                    ("derived", "Derived from the request"),
                                    ("fixed", "Always the same"),
                                ],
                                default="random",
                                max_length=10,
                            ),
                        ),
                        ("seed", models.BigIntegerField(blank=True, null=True)),
                        ("start", models.BigIntegerField(blank=True, null=True)),
                        ("step", models.BigIntegerField(default=1)),
                        (
                            "order",
                            models.BinaryField(default=reviewapp.models.seeds.new_order, max_length=16),
                        ),
                        ("is_open", models.BooleanField(default=True)),
                        ("is_automatic", models.BooleanField(default=False)),
                        ("note", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField()),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="WaitingWords",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("count", models.IntegerField()),
                        ("texts", models.BinaryField()),
                        ("recorded_at", models.DateTimeField()),
                    ],
                ),
                migrations.CreateModel(
                    name="Watermark",
                    fields=[
                        ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField(null=True)),
                        ("interaction", models.UUIDField(null=True)),
                        ("swept_at", models.DateTimeField(null=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="Person",
                    fields=[
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        (
                            "last_login",
                            models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                        ),
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("email", models.EmailField(max_length=254, unique=True)),
                        ("name", models.CharField(blank=True, max_length=120)),
                        ("is_active", models.BooleanField(default=True)),
                        ("is_operator", models.BooleanField(default=False)),
                        (
                            "theme",
                            models.CharField(
                                choices=[("system", "System"), ("light", "Light"), ("dark", "Dark")],
                                default="system",
                                max_length=8,
                            ),
                        ),
                        ("language", models.CharField(blank=True, max_length=8)),
                        ("joined_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                django.db.models.functions.text.Lower("email"), name="person_email_unique"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ApiKey",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        (
                            "hint",
                            models.CharField(
                                help_text="The first characters, to recognise it by.", max_length=16
                            ),
                        ),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        (
                            "scopes",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("ingest", "Send interactions"),
                                        ("read", "Read"),
                                        ("review", "Flag and annotate"),
                                        ("replay", "Start replays"),
                                        ("export", "Make exports"),
                                        ("admin", "Everything"),
                                    ],
                                    max_length=10,
                                ),
                                size=None,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("last_used_at", models.DateTimeField(null=True)),
                        ("expires_at", models.DateTimeField(null=True)),
                        ("revoked_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="api_keys",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="BulkWork",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "deed",
                            models.CharField(
                                choices=[
                                    ("flag", "Flag"),
                                    ("tag", "Tag"),
                                    ("queue", "Put into a queue"),
                                    ("annotate", "Judge"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("filter", models.JSONField(default=dict)),
                        ("parameters", models.JSONField(default=dict)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("cancelled", "Cancelled"),
                                    ("undoing", "Being taken back"),
                                    ("undone", "Taken back"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("expected", models.BigIntegerField()),
                        ("walked", models.BigIntegerField(default=0)),
                        ("changed", models.BigIntegerField(default=0)),
                        ("taken_back", models.BigIntegerField(default=0)),
                        ("cursor_at", models.DateTimeField(null=True)),
                        ("cursor", models.UUIDField(null=True)),
                        ("undo_cursor", models.UUIDField(null=True)),
                        ("error", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state__in", ("queued", "running", "undoing"))),
                                fields=["project", "id"],
                                name="bulk_work_moving",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "state__in",
                                        ["queued", "running", "done", "cancelled", "undoing", "undone"],
                                    )
                                ),
                                name="bulk_work_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("deed__in", ["flag", "tag", "queue", "annotate"])),
                                name="bulk_work_deed_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CanarySet",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("model", models.TextField()),
                        (
                            "endpoint",
                            models.CharField(
                                choices=[
                                    ("chat.completions", "Chat completions"),
                                    ("responses", "Responses"),
                                    ("completions", "Completions"),
                                    ("embeddings", "Embeddings"),
                                ],
                                default="chat.completions",
                                max_length=20,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("preparing", "Preparing"),
                                    ("watching", "Watching"),
                                    ("paused", "Paused"),
                                    ("failed", "Could not start"),
                                ],
                                default="preparing",
                                max_length=10,
                            ),
                        ),
                        ("starter", models.BooleanField(default=False)),
                        ("repeats", models.PositiveSmallIntegerField(default=1)),
                        ("every_minutes", models.PositiveIntegerField(default=60)),
                        ("learn_every_minutes", models.PositiveIntegerField(default=480)),
                        ("daily_budget", models.PositiveIntegerField(default=2000)),
                        ("retires_on", models.DateField(null=True)),
                        ("alternatives", models.PositiveSmallIntegerField(null=True)),
                        ("seed_honoured", models.BooleanField(null=True)),
                        (
                            "not_taken",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), default=list, size=None
                            ),
                        ),
                        ("prepared", models.JSONField(default=dict)),
                        ("evidence", models.FloatField(default=0)),
                        ("changed_at", models.DateTimeField(null=True)),
                        ("alarmed_at", models.DateTimeField(null=True)),
                        ("trouble", models.TextField(blank=True)),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("created_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "schedule",
                            models.OneToOneField(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="django_celery_beat.periodictask",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "provider", "model"), name="canary_set_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["preparing", "watching", "paused", "failed"])
                                ),
                                name="canary_set_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("repeats__gte", 1), ("repeats__lte", 10)),
                                name="canary_set_repeats_range",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("every_minutes__gte", 1), ("learn_every_minutes__gte", 1)
                                ),
                                name="canary_set_every_positive",
                            ),
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="CanaryBaseline",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(null=True)),
                        ("reason", models.TextField(blank=True)),
                        (
                            "set",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="baselines",
                                to="reviewapp.canaryset",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["set", "-started_at"], name="canary_baseline_latest")
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at__isnull", True)),
                                fields=("set",),
                                name="canary_baseline_one_standing",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CountedLately",
                    fields=[
                        ("interaction", models.UUIDField(primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["created_at"], name="counted_lately_age")],
                    },
                ),
                migrations.CreateModel(
                    name="Export",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "format",
                            models.CharField(
                                choices=[
                                    ("jsonl", "JSON lines"),
                                    ("csv", "CSV"),
                                    ("parquet", "Parquet"),
                                    ("openai-batch", "OpenAI Batch input"),
                                    ("fine-tuning", "OpenAI fine-tuning"),
                                    ("preferences", "Preference pairs"),
                                    ("label-studio", "Label Studio import"),
                                    ("argilla", "Argilla import"),
                                    ("otlp-evaluations", "OpenTelemetry evaluation events"),
                                    ("bundle", "Reproducibility bundle"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("filter", models.JSONField(default=dict)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("failed", "Failed"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("rows", models.BigIntegerField(null=True)),
                        ("expected", models.BigIntegerField(null=True)),
                        ("bytes", models.BigIntegerField(null=True)),
                        ("sha256", models.CharField(blank=True, max_length=64)),
                        ("file_name", models.CharField(blank=True, max_length=200)),
                        ("manifest", models.JSONField(default=dict)),
                        ("error", models.TextField(null=True)),
                        ("heartbeat_at", models.DateTimeField(null=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-created_at", "-id"], name="export_newest")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["queued", "running", "done", "failed", "cancelled"])
                                ),
                                name="export_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "format__in",
                                        [
                                            "jsonl",
                                            "csv",
                                            "parquet",
                                            "openai-batch",
                                            "fine-tuning",
                                            "preferences",
                                            "label-studio",
                                            "argilla",
                                            "otlp-evaluations",
                                            "bundle",
                                        ],
                                    )
                                ),
                                name="export_format_known",
                            ),
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="BackendChange",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("model", models.TextField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("verifying", "Verifying"),
                                    ("verified", "Verified"),
                                    ("accepted", "Accepted"),
                                    ("reported", "Regressions reported"),
                                    ("dismissed", "Dismissed"),
                                ],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("title", models.TextField()),
                        ("opened_at", models.DateTimeField()),
                        ("last_event_at", models.DateTimeField()),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("note", models.TextField(blank=True)),
                        ("moved", models.JSONField(default=list)),
                        ("scope", models.JSONField(null=True)),
                        ("scoped_at", models.DateTimeField(null=True)),
                        ("scoping_seconds", models.FloatField(db_default=0, default=0)),
                        (
                            "decided_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "decided_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "export",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="reviewapp.export",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-opened_at", "-id"], name="change_newest")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "state__in",
                                        [
                                            "open",
                                            "verifying",
                                            "verified",
                                            "accepted",
                                            "reported",
                                            "dismissed",
                                        ],
                                    )
                                ),
                                name="change_state_known",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("open", "verifying", "verified"))),
                                fields=("project", "provider", "model"),
                                name="change_one_undecided",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("state__in", ("accepted", "reported", "dismissed")), _negated=True
                                    ),
                                    ("decided_at__isnull", False),
                                    _connector="OR",
                                ),
                                name="change_decision_dated",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Fingerprint",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("model", models.TextField()),
                        ("shape", models.TextField()),
                        ("value", models.TextField(null=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("new", "New"),
                                    ("accepted", "Accepted"),
                                    ("overlap", "Overlap"),
                                    ("retired", "Retired"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("first_seen", models.DateTimeField()),
                        ("last_seen", models.DateTimeField()),
                        ("count", models.BigIntegerField(default=0)),
                        ("calls_before", models.BigIntegerField(default=0)),
                        ("overlap_until", models.DateTimeField(null=True)),
                        ("returned_at", models.DateTimeField(null=True)),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("note", models.TextField(blank=True)),
                        (
                            "decided_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "decided_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "overlap")),
                                fields=["overlap_until"],
                                name="fingerprint_overlaps",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "provider", "model", "value", "shape"),
                                name="fingerprint_once",
                                nulls_distinct=False,
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["new", "accepted", "overlap", "retired"])),
                                name="fingerprint_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "overlap"), _negated=True),
                                    ("overlap_until__isnull", False),
                                    _connector="OR",
                                ),
                                name="fingerprint_overlap_ends",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("first_seen__lte", models.F("last_seen"))),
                                name="fingerprint_seen_in_order",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("count__gte", 0)), name="fingerprint_count_positive"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FingerprintHour",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("hour", models.DateTimeField()),
                        ("count", models.BigIntegerField()),
                        (
                            "fingerprint",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="hours",
                                to="reviewapp.fingerprint",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("fingerprint", "hour"), name="fingerprint_hour_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("count__gt", 0)), name="fingerprint_hour_counted"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Flag",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("reason", models.CharField(max_length=80)),
                        (
                            "severity",
                            models.CharField(
                                choices=[
                                    ("low", "Low"),
                                    ("medium", "Medium"),
                                    ("high", "High"),
                                    ("critical", "Critical"),
                                ],
                                default="medium",
                                max_length=10,
                            ),
                        ),
                        ("note", models.TextField(blank=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("resolved", "Resolved"), ("removed", "Removed")],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("changed_at", models.DateTimeField(null=True)),
                        (
                            "changed_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="flags",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "open")),
                                fields=["project", "interaction"],
                                name="flag_open",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["open", "resolved", "removed"])),
                                name="flag_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("severity__in", ["low", "medium", "high", "critical"])),
                                name="flag_severity_known",
                            ),
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="InteractionBody",
                    fields=[
                        (
                            "interaction",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="body",
                                serialize=False,
                                to="reviewapp.interaction",
                            ),
                        ),
                        ("request", models.BinaryField()),
                        ("response", models.BinaryField(null=True)),
                        ("response_is_json", models.BooleanField(default=True)),
                        ("chunks", models.BinaryField(null=True)),
                        ("metadata", models.BinaryField(null=True)),
                        ("headers", models.JSONField(default=dict)),
                    ],
                ),
                migrations.CreateModel(
                    name="InteractionText",
                    fields=[
                        (
                            "interaction",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="text",
                                serialize=False,
                                to="reviewapp.interaction",
                            ),
                        ),
                        ("document", django.contrib.postgres.search.SearchVectorField()),
                    ],
                ),
                migrations.CreateModel(
                    name="Canary",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("kind", models.CharField(max_length=10)),
                        ("created_at", models.DateTimeField()),
                        (
                            "set",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="canaries",
                                to="reviewapp.canaryset",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="canaries",
                                to="reviewapp.interaction",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("set", "interaction"), name="canary_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Notification",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("mention", "Somebody mentions you"),
                                    ("reply", "Somebody writes in a discussion you are in"),
                                    ("assigned", "You are asked to review or to decide"),
                                    (
                                        "adjudicated",
                                        "It is decided which judgement counts, and you had judged",
                                    ),
                                    ("returned", "An item that you had judged is sent back"),
                                    ("change", "A backend change waits for a decision"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("key", models.CharField(max_length=200)),
                        ("subject", models.CharField(blank=True, max_length=300)),
                        ("path", models.CharField(max_length=500)),
                        ("created_at", models.DateTimeField()),
                        ("read_at", models.DateTimeField(null=True)),
                        (
                            "by",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="NotificationChoice",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("mention", "Somebody mentions you"),
                                    ("reply", "Somebody writes in a discussion you are in"),
                                    ("assigned", "You are asked to review or to decide"),
                                    (
                                        "adjudicated",
                                        "It is decided which judgement counts, and you had judged",
                                    ),
                                    ("returned", "An item that you had judged is sent back"),
                                    ("change", "A backend change waits for a decision"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="notification_choices",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("person", "kind"), name="notification_choice_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="NotificationMail",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("leased", "Being sent"),
                                    ("sent", "Sent"),
                                    ("failed", "Failed"),
                                    ("dropped", "Not sent"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("not_before", models.DateTimeField()),
                        ("first_tried_at", models.DateTimeField(null=True)),
                        ("leased_by", models.TextField(null=True)),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("error", models.TextField(blank=True)),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "notification",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="mail",
                                to="reviewapp.notification",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "queued")),
                                fields=["not_before"],
                                name="notification_mail_due",
                            ),
                            models.Index(
                                condition=models.Q(("state", "leased")),
                                fields=["lease_until"],
                                name="notification_mail_leased",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["queued", "leased", "sent", "failed", "dropped"])
                                ),
                                name="notification_mail_state_known",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Post",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("text", models.TextField()),
                        ("mentions", models.JSONField(default=dict)),
                        ("version", models.PositiveIntegerField(default=1)),
                        ("created_at", models.DateTimeField()),
                        ("edited_at", models.DateTimeField(null=True)),
                        ("removed_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.AddField(
                    model_name="notification",
                    name="post",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to="reviewapp.post",
                    ),
                ),
                migrations.CreateModel(
                    name="PostRevision",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("version", models.PositiveIntegerField()),
                        ("text", models.TextField()),
                        ("replaced_at", models.DateTimeField()),
                        (
                            "post",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="revisions",
                                to="reviewapp.post",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("post", "version"), name="post_revision_once")
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="notification",
                    name="project",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                migrations.CreateModel(
                    name="Membership",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[("viewer", "Viewer"), ("reviewer", "Reviewer"), ("admin", "Admin")],
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("home_seen_at", models.DateTimeField(null=True)),
                        (
                            "person",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("project", "person"), name="membership_once"),
                            models.CheckConstraint(
                                condition=models.Q(("role__in", ["viewer", "reviewer", "admin"])),
                                name="membership_role_known",
                            ),
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="interaction",
                    name="project",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                migrations.CreateModel(
                    name="FlagReason",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=80)),
                        ("position", models.PositiveSmallIntegerField(default=0)),
                        ("is_active", models.BooleanField(default=True)),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="flag_reasons",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("project", "name"), name="flag_reason_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FileImport",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("file_name", models.CharField(max_length=200)),
                        ("bytes", models.BigIntegerField()),
                        ("format", models.CharField(max_length=30)),
                        ("source", models.CharField(blank=True, max_length=120)),
                        ("provider", models.CharField(blank=True, max_length=120)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("checking", "Looking through"),
                                    ("checked", "Ready to record"),
                                    ("running", "Recording"),
                                    ("done", "Done"),
                                    ("failed", "Failed"),
                                    ("cancelled", "Thrown away"),
                                ],
                                default="checking",
                                max_length=10,
                            ),
                        ),
                        ("found", models.JSONField(default=dict)),
                        ("done", models.BigIntegerField(default=0)),
                        ("recorded", models.BigIntegerField(default=0)),
                        ("known", models.BigIntegerField(default=0)),
                        ("brought", models.JSONField(null=True)),
                        ("set_aside", models.JSONField(default=list)),
                        ("error", models.TextField(null=True)),
                        ("heartbeat_at", models.DateTimeField(null=True)),
                        ("worker", models.UUIDField(null=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-created_at", "-id"], name="file_import_newest")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "state__in",
                                        ["checking", "checked", "running", "done", "failed", "cancelled"],
                                    )
                                ),
                                name="file_import_state_known",
                            )
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="FailedMessage",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("payload", models.BinaryField()),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        ("error", models.TextField()),
                        ("created_at", models.DateTimeField()),
                        ("retried_at", models.DateTimeField(null=True)),
                        ("recorded_at", models.DateTimeField(null=True)),
                        ("told_at", models.DateTimeField(null=True)),
                        (
                            "project",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("told_at", None)),
                                fields=["id"],
                                name="failed_message_untold",
                            ),
                            models.Index(
                                condition=models.Q(("recorded_at", None)),
                                fields=["project", "-created_at", "-id"],
                                name="failed_message_waiting",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Continuation",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("context", models.TextField(db_collation="C")),
                        ("next", models.TextField(db_collation="C")),
                        ("shown", models.TextField()),
                        ("count", models.BigIntegerField(default=0)),
                        ("mass", models.FloatField(default=0.0)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "context", "next"),
                                include=("shown", "count", "mass"),
                                name="continuation_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CanaryCheck",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Under way"), ("done", "Done")],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("verdict", models.CharField(max_length=20, null=True)),
                        ("sentence", models.TextField(blank=True)),
                        (
                            "notes",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), default=list, size=None
                            ),
                        ),
                        ("statistic", models.CharField(blank=True, max_length=20)),
                        ("column", models.CharField(blank=True, max_length=30)),
                        ("effect", models.FloatField(null=True)),
                        ("floor", models.FloatField(null=True)),
                        ("p", models.FloatField(null=True)),
                        ("detectable", models.FloatField(null=True)),
                        ("requests", models.PositiveIntegerField(default=0)),
                        ("failed", models.PositiveIntegerField(default=0)),
                        ("figures", models.JSONField(default=dict)),
                        ("evidence_before", models.FloatField(default=0)),
                        ("evidence", models.FloatField(default=0)),
                        ("alarmed", models.BooleanField(default=False)),
                        (
                            "compared_with",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.UUIDField(), default=list, size=None
                            ),
                        ),
                        ("method", models.PositiveSmallIntegerField(null=True)),
                        (
                            "baseline",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.canarybaseline",
                            ),
                        ),
                        (
                            "change",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="reviewapp.backendchange",
                            ),
                        ),
                        (
                            "set",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="checks",
                                to="reviewapp.canaryset",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [models.Index(fields=["set", "-created_at"], name="canary_check_latest")],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "open")),
                                fields=("set",),
                                name="canary_check_one_open",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["open", "done"])),
                                name="canary_check_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "done"), _negated=True),
                                    ("verdict__isnull", False),
                                    _connector="OR",
                                ),
                                name="canary_check_done_has_verdict",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditEntry",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("action", models.CharField(max_length=60)),
                        ("object_type", models.CharField(max_length=40)),
                        ("object_id", models.CharField(max_length=64)),
                        ("detail", models.JSONField(default=dict)),
                        ("at", models.DateTimeField()),
                        (
                            "key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-at", "-id"], name="audit_project_at"),
                            models.Index(fields=["object_type", "object_id"], name="audit_object"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Annotation",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("scores", models.JSONField(default=dict)),
                        ("spans", models.JSONField(default=list)),
                        ("correction", models.TextField(blank=True, null=True)),
                        ("comment", models.TextField(blank=True)),
                        (
                            "preference",
                            models.CharField(
                                choices=[
                                    ("same", "As good as the original"),
                                    ("regression", "Worse than the original"),
                                    ("original", "The original is better"),
                                    ("replay", "The replay is better"),
                                    ("equal", "Equally good"),
                                ],
                                max_length=10,
                                null=True,
                            ),
                        ),
                        ("version", models.PositiveIntegerField(default=1)),
                        ("created_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                        ("removed_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="annotations",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="AlertChannel",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=100)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("apprise", "E-mail, chat and others (Apprise)"),
                                    ("webhook", "Signed webhook"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("url", reviewapp.models.provider.EncryptedTextField(null=True)),
                        ("secret", reviewapp.models.provider.EncryptedTextField(blank=True, null=True)),
                        (
                            "least_severity",
                            models.CharField(
                                choices=[
                                    ("info", "Information"),
                                    ("warning", "Warning"),
                                    ("critical", "Critical"),
                                ],
                                default="warning",
                                max_length=10,
                            ),
                        ),
                        (
                            "kinds",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40),
                                blank=True,
                                default=list,
                                size=None,
                            ),
                        ),
                        ("quiet_from", models.TimeField(blank=True, null=True)),
                        ("quiet_until", models.TimeField(blank=True, null=True)),
                        ("time_zone", models.CharField(default="UTC", max_length=64)),
                        ("critical_passes", models.BooleanField(default=True)),
                        ("enabled", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField()),
                        ("deleted_at", models.DateTimeField(null=True)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("deleted_at__isnull", True)),
                                fields=("project", "name"),
                                name="alert_channel_name_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["apprise", "webhook"])),
                                name="alert_channel_kind_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("least_severity__in", ["info", "warning", "critical"])),
                                name="alert_channel_severity_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("quiet_from__isnull", True), ("quiet_until__isnull", True)),
                                    models.Q(
                                        ("quiet_from__isnull", False),
                                        ("quiet_until__isnull", False),
                                        models.Q(("quiet_from", models.F("quiet_until")), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="alert_channel_quiet_both",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Alert",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("kind", models.CharField(max_length=40)),
                        (
                            "severity",
                            models.CharField(
                                choices=[
                                    ("info", "Information"),
                                    ("warning", "Warning"),
                                    ("critical", "Critical"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("title", models.CharField(max_length=200)),
                        ("text", models.TextField(blank=True)),
                        ("path", models.CharField(max_length=500)),
                        ("key", models.CharField(max_length=200)),
                        ("count", models.PositiveIntegerField(default=1)),
                        ("first_at", models.DateTimeField()),
                        ("last_at", models.DateTimeField()),
                        ("raised_at", models.DateTimeField()),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-last_at", "-id"], name="alert_newest"),
                            models.Index(fields=["project", "-raised_at"], name="alert_raised"),
                            models.Index(fields=["project", "key", "-last_at"], name="alert_key"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("severity__in", ["info", "warning", "critical"])),
                                name="alert_severity_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("path__startswith", "/"),
                                    models.Q(("path__startswith", "//"), _negated=True),
                                ),
                                name="alert_path_inside",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AddedTag",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=100)),
                        ("created_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="added_tags",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [models.Index(fields=["name", "interaction"], name="added_tag_by_name")],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "name", "interaction"), name="added_tag_once"
                            )
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="ProviderPace",
                    fields=[
                        (
                            "provider",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="pace",
                                serialize=False,
                                to="reviewapp.provider",
                            ),
                        ),
                        ("next_request_at", models.FloatField(default=0)),
                        ("next_tokens_at", models.FloatField(default=0)),
                        ("largest", models.PositiveIntegerField(default=0)),
                        ("largest_at", models.FloatField(default=0)),
                        ("paused_until", models.FloatField(default=0)),
                    ],
                ),
                migrations.AddField(
                    model_name="interaction",
                    name="provider",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.provider",
                    ),
                ),
                migrations.CreateModel(
                    name="IdentityPart",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("model", models.TextField()),
                        (
                            "part",
                            models.CharField(
                                choices=[
                                    ("response_model", "Model named in the answer"),
                                    ("service_tier", "Service tier"),
                                    ("header", "Response header"),
                                    ("seed", "Seed that came back"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("name", models.TextField(default="")),
                        ("value", models.TextField()),
                        ("first_seen", models.DateTimeField()),
                        ("last_seen", models.DateTimeField()),
                        ("count", models.BigIntegerField(default=0)),
                        ("calls_before", models.BigIntegerField(default=0)),
                        ("is_news", models.BooleanField(default=False)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "provider", "model", "part", "name", "value"),
                                name="identity_part_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("part__in", ["response_model", "service_tier", "header", "seed"])
                                ),
                                name="identity_part_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ChangeEvent",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("model", models.TextField()),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("new_value", "New fingerprint"),
                                    ("parts_changed", "Fingerprint names another backend"),
                                    ("value_returned", "Retired fingerprint returned"),
                                    ("shares_shifted", "Shares of the pool moved"),
                                    ("value_gone", "Fingerprint gone"),
                                    ("reporting_stopped", "Fingerprint no longer reported"),
                                    ("reporting_started", "Fingerprint reported again"),
                                    ("behaviour_changed", "Canaries answer differently"),
                                    ("model_changed", "Another model answers"),
                                    ("tier_changed", "Another service tier answers"),
                                    ("header_changed", "A response header changed"),
                                    ("seed_ignored", "The seed is not honoured"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("key", models.TextField()),
                        ("at", models.DateTimeField()),
                        ("noticed_at", models.DateTimeField()),
                        ("sentence", models.TextField()),
                        (
                            "values",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), default=list, size=None
                            ),
                        ),
                        ("evidence", models.JSONField(default=dict)),
                        (
                            "change",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="events",
                                to="reviewapp.backendchange",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [models.Index(fields=["project", "-at", "-id"], name="seen_newest")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "kind__in",
                                        [
                                            "new_value",
                                            "parts_changed",
                                            "value_returned",
                                            "shares_shifted",
                                            "value_gone",
                                            "reporting_stopped",
                                            "reporting_started",
                                            "behaviour_changed",
                                            "model_changed",
                                            "tier_changed",
                                            "header_changed",
                                            "seed_ignored",
                                        ],
                                    )
                                ),
                                name="seen_kind_known",
                            ),
                            models.UniqueConstraint(
                                fields=("project", "provider", "model", "key"), name="seen_once"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Attempt",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("number", models.PositiveSmallIntegerField(default=1)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("leased", "Running"),
                                    ("done", "Done"),
                                    ("failed", "Failed"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("leased_by", models.TextField(null=True)),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("not_before", models.DateTimeField(null=True)),
                        ("error", models.TextField(null=True)),
                        ("failure", models.JSONField(null=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        ("compared_at", models.DateTimeField(null=True)),
                        (
                            "answer",
                            models.OneToOneField(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="attempt",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "original",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="attempts",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Queue",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("slug", models.SlugField(max_length=80)),
                        ("instructions", models.TextField(blank=True)),
                        (
                            "order",
                            models.CharField(
                                choices=[
                                    ("newest", "Newest first"),
                                    ("oldest", "Oldest first"),
                                    ("least_certain", "Least certain first"),
                                    ("random", "Random"),
                                    ("worst_first", "Worst first"),
                                ],
                                default="oldest",
                                max_length=14,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("single", "One answer at a time"),
                                    ("pairwise", "Two answers side by side"),
                                ],
                                default="single",
                                max_length=10,
                            ),
                        ),
                        ("judgements_needed", models.PositiveSmallIntegerField(default=1)),
                        ("disagreement", models.JSONField(blank=True, default=dict)),
                        ("due_on", models.DateField(null=True)),
                        ("blind", models.BooleanField(default=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("paused", "Paused"), ("closed", "Closed")],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        (
                            "adjudicators",
                            models.ManyToManyField(blank=True, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="queues",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "reviewers",
                            models.ManyToManyField(blank=True, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="QueueItem",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, max_length=300)),
                        ("rank", models.FloatField(default=0.0)),
                        ("position", models.FloatField(default=0.0)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Waiting"),
                                    ("in_progress", "In progress"),
                                    ("adjudication", "Waiting for adjudication"),
                                    ("done", "Done"),
                                    ("skipped", "Skipped"),
                                    ("returned", "Returned"),
                                ],
                                default="pending",
                                max_length=14,
                            ),
                        ),
                        ("free", models.SmallIntegerField(default=1)),
                        ("round", models.PositiveSmallIntegerField(default=1)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "adjudicated_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "attempt",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="queue_items",
                                to="reviewapp.attempt",
                            ),
                        ),
                        (
                            "authoritative",
                            models.OneToOneField(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="authoritative_for",
                                to="reviewapp.annotation",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="queue_items",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "queue",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="items",
                                to="reviewapp.queue",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="QueueSlot",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("round", models.PositiveSmallIntegerField(default=1)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("leased", "Working on it"),
                                    ("judged", "Judged"),
                                    ("skipped", "Skipped"),
                                    ("left", "Left"),
                                ],
                                default="leased",
                                max_length=8,
                            ),
                        ),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("replay_first", models.BooleanField(default=False)),
                        ("taken_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "annotation",
                            models.OneToOneField(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="queue_slot",
                                to="reviewapp.annotation",
                            ),
                        ),
                        (
                            "item",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="slots",
                                to="reviewapp.queueitem",
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "queue",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="slots",
                                to="reviewapp.queue",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "leased")),
                                fields=["queue", "lease_until"],
                                name="queue_slot_leased",
                            ),
                            models.Index(
                                fields=["person", "queue", "-finished_at"], name="queue_slot_of_person"
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("item", "person", "round"), name="queue_slot_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["leased", "judged", "skipped", "left"])),
                                name="queue_slot_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "leased"), _negated=True),
                                    ("lease_until__isnull", False),
                                    _connector="OR",
                                ),
                                name="queue_slot_lease_ends",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "judged"), _negated=True),
                                    ("finished_at__isnull", False),
                                    _connector="OR",
                                ),
                                name="queue_slot_judged_dated",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReplayRun",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("person", "Started by a person"),
                                    ("canary", "Canary"),
                                    ("change", "Backend change"),
                                    ("study", "Study"),
                                ],
                                default="person",
                                max_length=10,
                            ),
                        ),
                        ("note", models.TextField(blank=True)),
                        ("selection", models.JSONField(default=dict)),
                        ("attempts", models.PositiveSmallIntegerField(default=1)),
                        ("overrides", models.JSONField(default=dict)),
                        ("estimate", models.JSONField(default=dict)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("started_at", models.DateTimeField(null=True)),
                        ("finished_at", models.DateTimeField(null=True)),
                        ("nudged_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-created_at", "-id"], name="run_newest"),
                            models.Index(
                                condition=models.Q(("state__in", ["queued", "running"])),
                                fields=["state"],
                                name="run_unfinished",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["queued", "running", "done", "cancelled"])),
                                name="run_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("attempts__gte", 1), ("attempts__lte", 50)),
                                name="run_attempts_range",
                            ),
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="Comparison",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "verdict",
                            models.CharField(
                                choices=[
                                    ("identical", "Identical"),
                                    ("equivalent", "Equivalent"),
                                    ("nondeterministic", "Nondeterministic"),
                                    ("backend_changed", "Backend changed"),
                                    ("inconclusive", "Inconclusive"),
                                    ("failed", "Failed"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("confidence", models.FloatField(null=True)),
                        ("sentence", models.TextField()),
                        ("figures", models.JSONField(default=dict)),
                        ("answer_digest", models.BinaryField(max_length=32, null=True)),
                        ("method", models.PositiveIntegerField()),
                        ("created_at", models.DateTimeField()),
                        (
                            "decision",
                            models.CharField(
                                choices=[
                                    ("same", "Same"),
                                    ("regression", "Regression"),
                                    ("needs_person", "Needs a person"),
                                ],
                                max_length=14,
                                null=True,
                            ),
                        ),
                        ("decided_at", models.DateTimeField(null=True)),
                        ("decision_note", models.TextField(blank=True)),
                        (
                            "attempt",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="comparison",
                                to="reviewapp.attempt",
                            ),
                        ),
                        (
                            "decided_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "original",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="comparisons",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "run",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.replayrun",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["original", "-created_at"], name="comparison_of_original"),
                            models.Index(
                                fields=["run", "verdict", "original", "attempt"], name="comparison_of_run"
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "verdict__in",
                                        [
                                            "identical",
                                            "equivalent",
                                            "nondeterministic",
                                            "backend_changed",
                                            "inconclusive",
                                            "failed",
                                        ],
                                    )
                                ),
                                name="comparison_verdict_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("decision__isnull", True), ("decided_at__isnull", False), _connector="OR"
                                ),
                                name="comparison_decision_dated",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CanarySession",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "purpose",
                            models.CharField(
                                choices=[
                                    ("baseline", "Baseline"),
                                    ("look", "First look"),
                                    ("confirm", "Fresh requests"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("asking", "Asking"),
                                    ("read", "Read"),
                                    ("lost", "Nothing usable came"),
                                ],
                                default="asking",
                                max_length=10,
                            ),
                        ),
                        ("requests", models.PositiveIntegerField()),
                        ("created_at", models.DateTimeField()),
                        ("read_at", models.DateTimeField(null=True)),
                        ("answered", models.PositiveIntegerField(default=0)),
                        ("failed", models.PositiveIntegerField(default=0)),
                        ("fit", models.BooleanField(default=False)),
                        ("rows", models.BinaryField(null=True)),
                        ("rows_version", models.PositiveSmallIntegerField(null=True)),
                        (
                            "baseline",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sessions",
                                to="reviewapp.canarybaseline",
                            ),
                        ),
                        (
                            "check_of",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sessions",
                                to="reviewapp.canarycheck",
                            ),
                        ),
                        (
                            "set",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sessions",
                                to="reviewapp.canaryset",
                            ),
                        ),
                        (
                            "run",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="canary_session",
                                to="reviewapp.replayrun",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["set", "-created_at"], name="canary_session_latest"),
                            models.Index(
                                condition=models.Q(("fit", True)),
                                fields=["baseline", "created_at"],
                                name="canary_session_fit",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "asking")),
                                fields=("set",),
                                name="canary_session_one_asking",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["asking", "read", "lost"])),
                                name="canary_session_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("purpose__in", ["baseline", "look", "confirm"])),
                                name="canary_session_purpose_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CallShare",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("worker", models.TextField()),
                        ("slots", models.PositiveIntegerField()),
                        ("wants", models.PositiveIntegerField()),
                        ("until", models.DateTimeField()),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                        (
                            "run",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="shares",
                                to="reviewapp.replayrun",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [models.Index(fields=["run", "until"], name="call_share_of_run")],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("provider", "run", "worker"), name="call_share_once"
                            )
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="attempt",
                    name="run",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempt_set",
                        to="reviewapp.replayrun",
                    ),
                ),
                migrations.CreateModel(
                    name="ReplayVariant",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("position", models.PositiveSmallIntegerField()),
                        ("label", models.CharField(max_length=200)),
                        ("overrides", models.JSONField(default=dict)),
                        ("about", models.JSONField(default=dict)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                        (
                            "run",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="variants",
                                to="reviewapp.replayrun",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("run", "position"), name="variant_position_once")
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="attempt",
                    name="variant",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.replayvariant",
                    ),
                ),
                migrations.CreateModel(
                    name="RoutingRule",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("filter", models.JSONField(default=dict)),
                        ("sample", models.FloatField(default=1.0)),
                        ("mean_logprob_below", models.FloatField(null=True)),
                        ("min_logprob_below", models.FloatField(null=True)),
                        ("refused", models.BooleanField(default=False)),
                        ("new_fingerprint", models.BooleanField(default=False)),
                        ("daily_cap", models.PositiveIntegerField(null=True)),
                        ("place", models.PositiveSmallIntegerField(default=0)),
                        ("is_active", models.BooleanField(default=True)),
                        ("since", models.DateTimeField()),
                        ("created_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "queue",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="rules",
                                to="reviewapp.queue",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("sample__gt", 0), ("sample__lte", 1)),
                                name="routing_rule_sample_share",
                            )
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="queueitem",
                    name="rule",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="items",
                        to="reviewapp.routingrule",
                    ),
                ),
                migrations.CreateModel(
                    name="Rubric",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("version", models.PositiveIntegerField(default=1)),
                        ("instructions", models.TextField(blank=True)),
                        ("questions", models.JSONField(default=list)),
                        ("labels", models.JSONField(default=list)),
                        ("is_default", models.BooleanField(default=False)),
                        ("is_current", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="rubrics",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "name", "version"), name="rubric_version_once"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("is_default", True)),
                                fields=("project",),
                                name="rubric_one_default",
                            ),
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="queue",
                    name="rubric",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.rubric",
                    ),
                ),
                migrations.AddField(
                    model_name="annotation",
                    name="rubric",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="annotations",
                        to="reviewapp.rubric",
                    ),
                ),
                migrations.CreateModel(
                    name="SavedView",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=80)),
                        ("filter", models.JSONField(default=dict)),
                        (
                            "columns",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=20), default=list, size=None
                            ),
                        ),
                        ("oldest_first", models.BooleanField(default=False)),
                        ("is_shared", models.BooleanField(default=False)),
                        ("created_at", models.DateTimeField()),
                        ("removed_at", models.DateTimeField(null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("is_shared", True), ("removed_at", None)),
                                fields=("project", "name"),
                                name="saved_view_shared_name_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("is_shared", False), ("removed_at", None)),
                                fields=("project", "created_by", "name"),
                                name="saved_view_own_name_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DefaultView",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "view",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="defaults",
                                to="reviewapp.savedview",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "person"), name="default_view_once", nulls_distinct=False
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SeedCounter",
                    fields=[
                        (
                            "range",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="counter",
                                serialize=False,
                                to="reviewapp.seedrange",
                            ),
                        ),
                        ("given", models.BigIntegerField(default=0)),
                        ("last_given_at", models.DateTimeField(null=True)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("given__gte", 0)), name="seed_given_positive"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SeedProbe",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("model", models.TextField()),
                        ("at", models.DateTimeField()),
                        ("honoured", models.BooleanField(null=True)),
                        ("same", models.PositiveSmallIntegerField()),
                        ("asked", models.PositiveSmallIntegerField()),
                        ("chance", models.PositiveSmallIntegerField()),
                        ("others", models.PositiveSmallIntegerField()),
                        ("echoed", models.BooleanField(null=True)),
                        ("sentence", models.TextField()),
                        ("scheduled", models.BooleanField(default=False)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["provider", "model", "-at"], name="seed_probe_latest")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("chance__lte", models.F("others")), ("same__lte", models.F("asked"))
                                ),
                                name="seed_probe_counts",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Selection",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "interactions",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.UUIDField(), size=None
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="SignInLink",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("digest", models.BinaryField(max_length=32, unique=True)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(null=True)),
                        (
                            "person",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sign_in_links",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Source",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("add_seed", models.BooleanField(default=False)),
                        ("add_logprobs", models.BooleanField(default=False)),
                        (
                            "reuse",
                            models.CharField(
                                choices=[
                                    ("off", "Never: every call goes to the provider"),
                                    ("valid", "When the answer’s fingerprint is still valid"),
                                    ("reviewed", "When it is valid and people approved the answer"),
                                ],
                                default="off",
                                max_length=10,
                            ),
                        ),
                        ("reuse_days", models.PositiveIntegerField(blank=True, null=True)),
                        ("reuse_since", models.DateTimeField(null=True)),
                        ("created_at", models.DateTimeField()),
                        (
                            "project",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sources",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="sources",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("project", "name"), name="source_name_once"),
                            models.CheckConstraint(
                                condition=models.Q(("reuse__in", ["off", "valid", "reviewed"])),
                                name="source_reuse_known",
                            ),
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="seedrange",
                    name="source",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="seed_ranges",
                        to="reviewapp.source",
                    ),
                ),
                migrations.CreateModel(
                    name="ReuseDay",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("day", models.DateField()),
                        ("hits", models.BigIntegerField(default=0)),
                        ("misses", models.BigIntegerField(default=0)),
                        ("joined", models.BigIntegerField(default=0)),
                        ("input_tokens", models.BigIntegerField(default=0)),
                        ("output_tokens", models.BigIntegerField(default=0)),
                        (
                            "source",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.source",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("source", "day"), name="reuse_day_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Reuse",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("policy", models.CharField(max_length=10)),
                        ("at", models.DateTimeField()),
                        ("trace", models.TextField(null=True)),
                        ("session", models.TextField(null=True)),
                        ("end_user", models.TextField(null=True)),
                        (
                            "interaction",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="reuses",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="reviewapp.source",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["interaction", "-at"], name="reuse_of_interaction"),
                            models.Index(fields=["source", "-at"], name="reuse_of_source"),
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="interaction",
                    name="source",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reviewapp.source",
                    ),
                ),
                migrations.AddField(
                    model_name="apikey",
                    name="source",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="reviewapp.source",
                    ),
                ),
                migrations.CreateModel(
                    name="Study",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("deviation", "Prompt deviation"),
                                    ("seeds", "Seed stability"),
                                    ("providers", "Provider comparison"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("name", models.CharField(max_length=200)),
                        ("reference", models.BinaryField(default=b"", max_length=32)),
                        ("created_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "run",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="study",
                                to="reviewapp.replayrun",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["project", "-created_at", "-id"], name="study_newest")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["deviation", "seeds", "providers"])),
                                name="study_kind_known",
                            )
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="Thread",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "place",
                            models.CharField(
                                choices=[
                                    ("whole", "The whole of it"),
                                    ("answer", "Words of the answer"),
                                    ("message", "Words of a message"),
                                ],
                                default="whole",
                                max_length=8,
                            ),
                        ),
                        ("message", models.PositiveIntegerField(null=True)),
                        ("start", models.PositiveIntegerField(null=True)),
                        ("end", models.PositiveIntegerField(null=True)),
                        ("quote", models.TextField(blank=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("resolved", "Resolved")],
                                default="open",
                                max_length=8,
                            ),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("resolved_at", models.DateTimeField(null=True)),
                        ("changed_at", models.DateTimeField()),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "interaction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="threads",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "resolved_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "open")),
                                fields=["project", "interaction"],
                                name="thread_open",
                            ),
                            models.Index(fields=["project", "-created_at", "-id"], name="thread_newest"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["open", "resolved"])),
                                name="thread_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("end__isnull", True),
                                        ("message__isnull", True),
                                        ("place", "whole"),
                                        ("start__isnull", True),
                                    ),
                                    models.Q(
                                        ("end__gt", models.F("start")),
                                        ("message__isnull", True),
                                        ("place", "answer"),
                                        ("start__isnull", False),
                                    ),
                                    models.Q(
                                        ("end__gt", models.F("start")),
                                        ("message__isnull", False),
                                        ("place", "message"),
                                        ("start__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="thread_place_whole_or_words",
                            ),
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.AddField(
                    model_name="post",
                    name="thread",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="posts",
                        to="reviewapp.thread",
                    ),
                ),
                migrations.CreateModel(
                    name="Verification",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("approved", models.PositiveIntegerField()),
                        ("flagged", models.PositiveIntegerField()),
                        ("asked", models.PositiveIntegerField()),
                        ("started_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        ("was_cancelled", models.BooleanField(default=False)),
                        ("retried_at", models.DateTimeField(null=True)),
                        (
                            "change",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="verifications",
                                to="reviewapp.backendchange",
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by_key",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.apikey",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "run",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="verification",
                                to="reviewapp.replayrun",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["change", "-started_at"], name="verification_of_change"),
                            models.Index(
                                condition=models.Q(("finished_at__isnull", True)),
                                fields=["id"],
                                name="verification_running",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("finished_at__isnull", True)),
                                fields=("change",),
                                name="verification_one_running",
                            )
                        ],
                    },
                    bases=(reviewapp.models.project.MadeBy, models.Model),
                ),
                migrations.CreateModel(
                    name="CarriedVerdict",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("verdict", models.CharField(max_length=20)),
                        ("created_at", models.DateTimeField()),
                        (
                            "annotation",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="carried",
                                to="reviewapp.annotation",
                            ),
                        ),
                        (
                            "flag",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="carried",
                                to="reviewapp.flag",
                            ),
                        ),
                        (
                            "answer",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="carried_to",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "original",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="carried_from",
                                to="reviewapp.interaction",
                            ),
                        ),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "verification",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="carried",
                                to="reviewapp.verification",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("annotation__isnull", False), ("flag__isnull", True)),
                                    models.Q(("annotation__isnull", True), ("flag__isnull", False)),
                                    _connector="OR",
                                ),
                                name="carried_one_judgement",
                            ),
                            models.UniqueConstraint(
                                fields=("verification", "answer", "annotation", "flag"),
                                name="carried_once",
                                nulls_distinct=False,
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WatchedPool",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("model", models.TextField()),
                        ("counted", models.BigIntegerField(default=0)),
                        ("walked", models.BigIntegerField(default=0)),
                        ("walked_at", models.DateTimeField(null=True)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.provider",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("walked__lt", models.F("counted"))),
                                fields=["walked_at"],
                                name="watched_pool_waiting",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "provider", "model"), name="watched_pool_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AlertDelivery",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("leased", "Being sent"),
                                    ("sent", "Sent"),
                                    ("failed", "Failed"),
                                    ("dropped", "Not sent"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        ("message", models.UUIDField(null=True)),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("not_before", models.DateTimeField()),
                        ("first_tried_at", models.DateTimeField(null=True)),
                        ("leased_by", models.TextField(null=True)),
                        ("lease_until", models.DateTimeField(null=True)),
                        ("status_code", models.SmallIntegerField(null=True)),
                        ("error", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "alert",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="deliveries",
                                to="reviewapp.alert",
                            ),
                        ),
                        (
                            "channel",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="deliveries",
                                to="reviewapp.alertchannel",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "queued")),
                                fields=["channel", "not_before"],
                                name="alert_delivery_due",
                            ),
                            models.Index(
                                condition=models.Q(("state", "leased")),
                                fields=["lease_until"],
                                name="alert_delivery_leased",
                            ),
                            models.Index(fields=["channel", "-created_at", "-id"], name="alert_delivery_log"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["queued", "leased", "sent", "failed", "dropped"])
                                ),
                                name="alert_delivery_state_known",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("message__isnull", True), ("state", "queued")),
                                fields=("alert", "channel"),
                                name="alert_delivery_waits_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AlertMark",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("seen_at", models.DateTimeField()),
                        ("acknowledged_at", models.DateTimeField(null=True)),
                        (
                            "alert",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="marks",
                                to="reviewapp.alert",
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("alert", "person"), name="alert_mark_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AnnotationRevision",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=reviewapp.pure.ids.new_id,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("version", models.PositiveIntegerField()),
                        ("scores", models.JSONField()),
                        ("spans", models.JSONField()),
                        ("correction", models.TextField(null=True)),
                        ("comment", models.TextField(blank=True)),
                        ("preference", models.CharField(max_length=10, null=True)),
                        ("replaced_at", models.DateTimeField()),
                        (
                            "annotation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="revisions",
                                to="reviewapp.annotation",
                            ),
                        ),
                        (
                            "edited_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("annotation", "version"), name="annotation_revision_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StudyPoint",
                    fields=[
                        (
                            "attempt",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="point",
                                serialize=False,
                                to="reviewapp.attempt",
                            ),
                        ),
                        ("identical", models.BooleanField()),
                        ("equivalent", models.BooleanField()),
                        ("similarity", models.FloatField()),
                        ("digest", models.BinaryField(max_length=32)),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="points",
                                to="reviewapp.study",
                            ),
                        ),
                        (
                            "variant",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="reviewapp.replayvariant",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("similarity__gte", 0), ("similarity__lte", 1)),
                                name="study_point_similarity_range",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("identical", False), ("equivalent", True), _connector="OR"
                                ),
                                name="study_point_identical_is_equivalent",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditSeal",
                    fields=[
                        (
                            "entry",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="seal",
                                serialize=False,
                                to="reviewapp.auditentry",
                            ),
                        ),
                        ("seq", models.BigIntegerField()),
                        ("previous", models.BinaryField(max_length=32)),
                        ("digest", models.BinaryField(max_length=32)),
                        ("sealed_at", models.DateTimeField()),
                        (
                            "project",
                            models.ForeignKey(
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="reviewapp.project",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("project", "seq"), name="audit_seal_once", nulls_distinct=False
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("seq__gte", 1)), name="audit_seal_from_one"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BulkMade",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("made", models.UUIDField()),
                        (
                            "work",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="made",
                                to="reviewapp.bulkwork",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("work", "made"), name="bulk_made_once")
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="interactiontext",
                    name="project",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reviewapp.project",
                    ),
                ),
                migrations.AddIndex(
                    model_name="notification",
                    index=models.Index(
                        fields=["person", "project", "-created_at", "-id"], name="notification_newest"
                    ),
                ),
                migrations.AddIndex(
                    model_name="notification",
                    index=models.Index(
                        condition=models.Q(("read_at__isnull", True)),
                        fields=["person", "project"],
                        name="notification_unread",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="notification",
                    constraint=models.UniqueConstraint(
                        fields=("person", "project", "key"), name="notification_once"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="notification",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                ["mention", "reply", "assigned", "adjudicated", "returned", "change"],
                            )
                        ),
                        name="notification_kind_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="notification",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("path__startswith", "/"), models.Q(("path__startswith", "//"), _negated=True)
                        ),
                        name="notification_path_inside",
                    ),
                ),
                migrations.AddIndex(
                    model_name="attempt",
                    index=models.Index(fields=["run", "state", "id"], name="attempt_of_run"),
                ),
                migrations.AddIndex(
                    model_name="attempt",
                    index=models.Index(
                        condition=models.Q(("state", "queued")),
                        fields=["run", "provider", "id"],
                        name="attempt_waiting",
                    ),
                ),
                migrations.AddIndex(
                    model_name="attempt",
                    index=models.Index(
                        condition=models.Q(("compared_at__isnull", True), ("state", "done")),
                        fields=["run", "id"],
                        name="attempt_uncompared",
                    ),
                ),
                migrations.AddIndex(
                    model_name="attempt",
                    index=models.Index(
                        condition=models.Q(("state", "leased")), fields=["lease_until"], name="attempt_leased"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="attempt",
                    constraint=models.UniqueConstraint(
                        fields=("run", "original", "number"), name="attempt_once"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="attempt",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["queued", "leased", "done", "failed", "cancelled"])
                        ),
                        name="attempt_state_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="attempt",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "done"), _negated=True),
                            ("answer__isnull", False),
                            _connector="OR",
                        ),
                        name="attempt_done_has_answer",
                    ),
                ),
                migrations.AddIndex(
                    model_name="queueitem",
                    index=models.Index(
                        condition=models.Q(("free__gt", 0)),
                        fields=["queue", "position", "id"],
                        name="queue_item_next",
                    ),
                ),
                migrations.AddIndex(
                    model_name="queueitem",
                    index=models.Index(fields=["queue", "state", "-id"], name="queue_item_state"),
                ),
                migrations.AddIndex(
                    model_name="queueitem",
                    index=models.Index(
                        condition=models.Q(("rule__isnull", False)),
                        fields=["rule", "created_at"],
                        name="queue_item_of_rule",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queueitem",
                    constraint=models.UniqueConstraint(
                        fields=("queue", "interaction", "attempt"),
                        name="queue_item_once",
                        nulls_distinct=False,
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queueitem",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["pending", "in_progress", "adjudication", "done", "skipped", "returned"],
                            )
                        ),
                        name="queue_item_state_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queueitem",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("free__gte", 0), ("free__lte", 10)), name="queue_item_free_range"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queueitem",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("free", 0),
                            ("state__in", ("pending", "in_progress", "returned")),
                            _connector="OR",
                        ),
                        name="queue_item_over_is_closed",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queue",
                    constraint=models.UniqueConstraint(fields=("project", "slug"), name="queue_slug_once"),
                ),
                migrations.AddConstraint(
                    model_name="queue",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("judgements_needed__gte", 1), ("judgements_needed__lte", 10)),
                        name="queue_judgements_range",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queue",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "paused", "closed"])),
                        name="queue_state_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queue",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("order__in", ["newest", "oldest", "least_certain", "random", "worst_first"])
                        ),
                        name="queue_order_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="queue",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("kind__in", ["single", "pairwise"])), name="queue_kind_known"
                    ),
                ),
                migrations.AddIndex(
                    model_name="annotation",
                    index=models.Index(fields=["project", "-created_at", "-id"], name="annotation_newest"),
                ),
                migrations.AddConstraint(
                    model_name="annotation",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("preference__isnull", True),
                            ("preference__in", ["same", "regression", "original", "replay", "equal"]),
                            _connector="OR",
                        ),
                        name="annotation_preference_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="seedrange",
                    constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[
                            ("project", "="),
                            (
                                models.Func(
                                    django.db.models.functions.comparison.Cast(
                                        models.F("first"),
                                        models.DecimalField(decimal_places=0, max_digits=20),
                                    ),
                                    django.db.models.functions.comparison.Cast(
                                        models.F("last"), models.DecimalField(decimal_places=0, max_digits=20)
                                    ),
                                    models.Value("[]"),
                                    function="numrange",
                                ),
                                "&&",
                            ),
                        ],
                        name="seed_ranges_apart",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="seedrange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("first__lte", models.F("last"))), name="seed_range_in_order"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="seedrange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("policy__in", ["random", "sequence", "derived", "fixed"])),
                        name="seed_policy_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="seedrange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("step", 0), _negated=True), name="seed_step_moves"
                    ),
                ),
                migrations.AddConstraint(
                    model_name="seedrange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("policy", "fixed"), _negated=True),
                            models.Q(
                                ("seed__gte", models.F("first")),
                                ("seed__isnull", False),
                                ("seed__lte", models.F("last")),
                            ),
                            _connector="OR",
                        ),
                        name="seed_fixed_inside",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="seedrange",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("start__isnull", True),
                            models.Q(("start__gte", models.F("first")), ("start__lte", models.F("last"))),
                            _connector="OR",
                        ),
                        name="seed_start_inside",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        models.F("project"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("replay_of__isnull", True)),
                        name="interaction_newest",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        models.F("project"),
                        models.F("source"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("replay_of__isnull", True)),
                        name="interaction_source",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        models.F("project"),
                        models.F("model"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("replay_of__isnull", True)),
                        name="interaction_model",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        models.F("project"),
                        models.F("fingerprint"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(("replay_of__isnull", True)),
                        name="interaction_fingerprint",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        condition=models.Q(("seed__isnull", False)),
                        fields=["project", "seed"],
                        name="interaction_seed",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(fields=["project", "request_hash", "seed"], name="interaction_hash"),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        condition=models.Q(("trace__isnull", False)),
                        fields=["project", "trace"],
                        name="interaction_trace",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        condition=models.Q(("session__isnull", False)),
                        fields=["project", "session"],
                        name="interaction_session",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        condition=models.Q(("end_user__isnull", False)),
                        fields=["project", "end_user"],
                        name="interaction_user",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        models.F("project"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        name="interaction_with_answers",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        models.F("project"),
                        models.OrderBy(models.F("started_at"), descending=True),
                        models.OrderBy(models.F("id"), descending=True),
                        condition=models.Q(
                            models.Q(("status", 200), _negated=True),
                            ("status__isnull", True),
                            _connector="OR",
                        ),
                        name="interaction_errors",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(
                        condition=models.Q(("replay_of__isnull", False)),
                        fields=["replay_of"],
                        name="interaction_replay_of",
                    ),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=models.Index(fields=["created_at", "id"], name="interaction_recorded"),
                ),
                migrations.AddIndex(
                    model_name="interaction",
                    index=django.contrib.postgres.indexes.GinIndex(
                        condition=models.Q(("tags", []), _negated=True),
                        fields=["tags"],
                        name="interaction_tags",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="interaction",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("endpoint__in", ["chat.completions", "responses", "completions", "embeddings"])
                        ),
                        name="interaction_endpoint_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="interaction",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            ("status__isnull", False), ("error__isnull", False), _connector="OR"
                        ),
                        name="interaction_status_or_error",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="apikey",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "scopes__contained_by",
                                ["ingest", "read", "review", "replay", "export", "admin"],
                            ),
                            models.Q(("scopes", []), _negated=True),
                        ),
                        name="api_key_scopes_known",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="post",
                    constraint=models.CheckConstraint(
                        condition=models.Q(("text", ""), _negated=True), name="post_says_something"
                    ),
                ),
                migrations.AddIndex(
                    model_name="interactiontext",
                    index=django.contrib.postgres.indexes.GinIndex(
                        fields=["project", "document"], name="interaction_words"
                    ),
                ),
            ]
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(AUDIT, migrations.RunSQL.noop),
    ]
