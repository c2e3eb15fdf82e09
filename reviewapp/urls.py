"""Every address of the app. Pages by noun, id, verb; the API under /api/v1; `/v1/` is the gateway's."""

from __future__ import annotations

from django.urls import include, path

from reviewapp.web import accounts
from reviewapp.web.api import api_urls
from reviewapp.web.pages import (
    compare,
    exports,
    home,
    interaction,
    interactions,
    judgements,
    palette,
    replay_new,
    replays,
    settings,
    style,
)
from reviewapp.web.pages.settings import audit, keys, members, providers, rubrics

urlpatterns = [
    path("api/v1/", api_urls()),
    path("accounts/link/<str:token>/", accounts.sign_in_link, name="sign-in-link"),
    path("accounts/no-project/", accounts.no_project, name="no-project"),
    path("accounts/", include("allauth.urls")),
    path("", home.home, name="home"),
    path("palette/", palette.palette, name="palette"),
    path("running/", palette.running, name="running"),
    path("seen/", home.seen, name="home-seen"),
    path("interactions/", interactions.interactions, name="interactions"),
    path("interactions/suggest/", interactions.suggest, name="interactions-suggest"),
    path("interactions/flag/", interactions.flag_many, name="interactions-flag"),
    path("interactions/<uuid:id>/", interaction.interaction, name="interaction"),
    path("interactions/<uuid:id>/flag/", judgements.flag_interaction, name="interaction-flag"),
    path("interactions/<uuid:id>/annotate/", judgements.annotate, name="interaction-annotate"),
    path("flags/<uuid:id>/<str:to>/", judgements.move_flag, name="flag-move"),
    path("annotations/<uuid:id>/remove/", judgements.remove_annotation, name="annotation-remove"),
    path("annotations/<uuid:id>/restore/", judgements.restore_annotation, name="annotation-restore"),
    path("replays/", replays.replays, name="replays"),
    path("replays/new/", replay_new.new, name="replay-new"),
    path("replays/new/estimate/", replay_new.estimate, name="replay-estimate"),
    path("replays/<uuid:id>/", replays.run, name="replay-run"),
    path("replays/<uuid:id>/cancel/", replays.cancel, name="replay-cancel"),
    path("replays/<uuid:id>/retry/", replays.retry, name="replay-retry"),
    path("compare/<uuid:id>/", compare.compare, name="compare"),
    path("compare/<uuid:id>/decide/", compare.decide, name="compare-decide"),
    path("exports/", exports.exports, name="exports"),
    path("exports/new/", exports.new_export, name="export-new"),
    path("exports/<uuid:id>/", exports.export, name="export"),
    path("exports/<uuid:id>/cancel/", exports.cancel, name="export-cancel"),
    path("exports/<uuid:id>/file/", exports.download, name="export-download"),
    path("settings/", settings.overview, name="settings"),
    path("settings/members/", members.members, name="settings-members"),
    path("settings/members/<uuid:id>/role/", members.change_role, name="settings-member-role"),
    path("settings/members/<uuid:id>/remove/", members.remove, name="settings-member-remove"),
    path("settings/keys/", keys.keys, name="settings-keys"),
    path("settings/keys/<uuid:id>/revoke/", keys.revoke, name="settings-key-revoke"),
    path("settings/providers/", providers.providers, name="settings-providers"),
    path("settings/providers/new/", providers.provider, name="settings-provider-new"),
    path("settings/providers/<uuid:id>/", providers.provider, name="settings-provider"),
    path("settings/providers/<uuid:id>/default/", providers.make_default, name="settings-provider-default"),
    path("settings/providers/<uuid:id>/test/", providers.test, name="settings-provider-test"),
    path("settings/sources/", providers.sources, name="settings-sources"),
    path("settings/sources/new/", providers.source, name="settings-source-new"),
    path("settings/sources/<uuid:id>/", providers.source, name="settings-source"),
    path("settings/rubrics/", rubrics.rubrics, name="settings-rubrics"),
    path("settings/rubrics/reasons/", rubrics.reasons, name="settings-flag-reasons"),
    path("settings/audit/", audit.audit, name="settings-audit"),
    path("settings/style/", style.style, name="style"),
]
