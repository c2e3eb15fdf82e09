"""The tables, one module per noun."""

from reviewapp.models.comparison import Comparison, Decision, VerdictName
from reviewapp.models.export import EXPORT_TRANSITIONS, Export, ExportFormat, ExportState
from reviewapp.models.fingerprint import (
    FINGERPRINT_TRANSITIONS,
    CountedLately,
    Fingerprint,
    FingerprintHour,
    FingerprintState,
    Watermark,
)
from reviewapp.models.interaction import (
    Endpoint,
    FailedMessage,
    Interaction,
    InteractionBody,
    InteractionText,
)
from reviewapp.models.people import Person, SignInLink
from reviewapp.models.project import ApiKey, AuditEntry, Membership, Project, Role, Scope
from reviewapp.models.provider import EncryptedTextField, Provider, UnreadableSecret
from reviewapp.models.replay import (
    ATTEMPT_TRANSITIONS,
    RUN_TRANSITIONS,
    Attempt,
    AttemptState,
    CallShare,
    ProviderPace,
    ReplayRun,
    RunKind,
    RunState,
)
from reviewapp.models.review import (
    FLAG_TRANSITIONS,
    Annotation,
    AnnotationRevision,
    Flag,
    FlagReason,
    FlagState,
    Rubric,
    Severity,
)
from reviewapp.models.scoping import (
    Actor,
    NotAllowed,
    Permission,
    actor_for_key,
    actor_for_person,
    system_actor,
)
from reviewapp.models.source import Source

__all__ = [
    "ATTEMPT_TRANSITIONS",
    "EXPORT_TRANSITIONS",
    "FINGERPRINT_TRANSITIONS",
    "FLAG_TRANSITIONS",
    "RUN_TRANSITIONS",
    "Actor",
    "Annotation",
    "AnnotationRevision",
    "ApiKey",
    "Attempt",
    "AttemptState",
    "AuditEntry",
    "CallShare",
    "Comparison",
    "CountedLately",
    "Decision",
    "EncryptedTextField",
    "Endpoint",
    "Export",
    "ExportFormat",
    "ExportState",
    "FailedMessage",
    "Fingerprint",
    "FingerprintHour",
    "FingerprintState",
    "Flag",
    "FlagReason",
    "FlagState",
    "Interaction",
    "InteractionBody",
    "InteractionText",
    "Membership",
    "NotAllowed",
    "Permission",
    "Person",
    "Project",
    "Provider",
    "ProviderPace",
    "ReplayRun",
    "Role",
    "Rubric",
    "RunKind",
    "RunState",
    "Scope",
    "Severity",
    "SignInLink",
    "Source",
    "UnreadableSecret",
    "VerdictName",
    "Watermark",
    "actor_for_key",
    "actor_for_person",
    "system_actor",
]
