"""Projects, people, keys, providers, sources: what an admin sets up, and the audit trail.

Every deed writes its audit entry in the same transaction, so neither exists without the other.
"""

from reviewapp.stages.administer.audit import Refused, write_audit
from reviewapp.stages.administer.first_start import ensure_admin, ensure_project, first_operator
from reviewapp.stages.administer.keys import (
    KEY_PREFIX,
    create_api_key,
    digest_of,
    find_key,
    note_key_use,
    revoke_key,
)
from reviewapp.stages.administer.people import (
    change_role,
    create_sign_in_link,
    invite,
    remove_member,
    sign_in_link_is_good,
    sign_out_everywhere,
    use_sign_in_link,
)
from reviewapp.stages.administer.projects import (
    DEFAULT_FLAG_REASONS,
    DEFAULT_LABELS,
    DEFAULT_QUESTIONS,
    create_project,
)
from reviewapp.stages.administer.providers import (
    ProviderValues,
    SourceValues,
    ensure_provider,
    ensure_source,
    make_default_provider,
    note_test,
    save_provider,
    save_source,
)
from reviewapp.stages.administer.seeds import (
    NoSeedsLeft,
    RangeValues,
    SeedOwner,
    allocate_seeds,
    describe_seed,
    import_ranges,
    open_range,
    ranges_of,
    release_range,
    reserve_automatically,
    reserve_range,
    suggest_range,
    take_seeds,
)

__all__ = [
    "DEFAULT_FLAG_REASONS",
    "DEFAULT_LABELS",
    "DEFAULT_QUESTIONS",
    "KEY_PREFIX",
    "NoSeedsLeft",
    "ProviderValues",
    "RangeValues",
    "Refused",
    "SeedOwner",
    "SourceValues",
    "allocate_seeds",
    "change_role",
    "create_api_key",
    "create_project",
    "create_sign_in_link",
    "describe_seed",
    "digest_of",
    "ensure_admin",
    "ensure_project",
    "ensure_provider",
    "ensure_source",
    "find_key",
    "first_operator",
    "import_ranges",
    "invite",
    "make_default_provider",
    "note_key_use",
    "note_test",
    "open_range",
    "ranges_of",
    "release_range",
    "remove_member",
    "reserve_automatically",
    "reserve_range",
    "revoke_key",
    "save_provider",
    "save_source",
    "sign_in_link_is_good",
    "sign_out_everywhere",
    "suggest_range",
    "take_seeds",
    "use_sign_in_link",
    "write_audit",
]
