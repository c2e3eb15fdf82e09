"""What lists, searches and Home ask of a million interactions is answered from indexes.

The rows are some thousand; the planner is told that they are a million (the counts in PostgreSQL's
catalogue, which ANALYZE writes otherwise), and nothing is forbidden it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from django.contrib.postgres.search import SearchVector
from django.db import connection
from django.db.models import Value
from django.test.utils import CaptureQueriesContext

from reviewapp.models import (
    AddedTag,
    Attempt,
    Comparison,
    Flag,
    Interaction,
    InteractionBody,
    InteractionText,
    Thread,
    system_actor,
)
from reviewapp.models.browsing import known_values, list_rows, recent_values
from reviewapp.models.discussing import waiting_threads
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.interaction import compress
from reviewapp.models.overview import overview, reproducibility
from reviewapp.models.pages import page_of
from reviewapp.models.pools import pools_of
from reviewapp.models.traffic import traffic_of
from reviewapp.pure.ids import new_id
from reviewapp.stages import export
from tests import emptying
from tests.factories import NOW, make_actor, make_project, make_provider, make_run, make_source

ROWS = 4_000
BELIEVED = 1_000_000
RARE, COMMON = "zymurgist", "release"
# Every table with a row for each interaction.
LARGE = ("reviewapp_interaction", "reviewapp_interactionbody", "reviewapp_interactiontext")
# And those with a row for what few have.
BESIDE = ("reviewapp_flag", "reviewapp_thread", "reviewapp_addedtag", "reviewapp_comparison")
MARKED_EVERY = 20


@pytest.fixture(scope="module")
def stored(django_db_setup, django_db_blocker):
    """A project whose interactions the planner takes for a million; gone with the module."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            # New files: what earlier tests left in the indexes makes one look dearer than another.
            cursor.execute("TRUNCATE reviewapp_project CASCADE")
            for name in LARGE:
                # What the planner is told below must not be put right meanwhile.
                cursor.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
        project = make_project()
        sources = [make_source(project=project, name=f"bot-{n}") for n in range(7)]
        # Of these nothing was recorded.
        make_source(project=project, name="idle")
        make_provider(project=project, name="idle")
        providers = [make_provider(project=project, name=f"provider-{n}") for n in range(3)]
        found = [_interaction(project, sources, providers, n) for n in range(ROWS)]
        Interaction.objects.bulk_create(found)
        body = compress(b"{}")
        InteractionBody.objects.bulk_create(
            InteractionBody(interaction=one, request=body, response=body) for one in found
        )
        InteractionText.objects.bulk_create(
            InteractionText(interaction=one, project=project, document=_words(n))
            for n, one in enumerate(found)
        )
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(LARGE)}")
            cursor.execute(
                "UPDATE pg_class SET reltuples = %s WHERE oid IN (SELECT indexrelid FROM pg_index"
                " WHERE indrelid = ANY(%s::regclass[])) AND reltuples > 1000 OR relname = ANY(%s)",
                [BELIEVED, list(LARGE), list(LARGE)],
            )
        yield project
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE reviewapp_project CASCADE")
            cursor.execute(f"ANALYZE {', '.join(LARGE)}")
            for name in LARGE:
                cursor.execute(f"ALTER TABLE {name} RESET (autovacuum_enabled)")
        # What speaks of a project by a value alone.
        emptying.empty()


def _interaction(project, sources, providers, n):
    return Interaction(
        id=new_id(),
        project=project,
        source=sources[n % 7],
        provider=providers[n % 3],
        endpoint="chat.completions",
        model=f"model-{n % 3}",
        seed=n * 7919 % 2_147_483_647,
        fingerprint=f"fp_{n % 5}",
        status=200 if n % 50 else 500,
        error=None,
        started_at=NOW + timedelta(seconds=n),
        created_at=NOW + timedelta(seconds=n),
        finish_reason="stop",
        cost=n * 7919 % ROWS / ROWS if n % 5 else None,
        request_hash=hashlib.sha256(str(n).encode()).digest(),
        prompt_preview="prompt",
        answer_preview="answer",
        trace=f"trace-{n}",
        session=f"session-{n // 4}",
        end_user=f"user-{n % 900}",
        tags=[f"tag-{n}"] if n % 9 == 0 else [],
    )


def _words(n):
    text = " ".join([f"word{(n * 31 + k * k) % 997}" for k in range(60)])
    if n % 2:
        text += f" {COMMON}"
    if n == 777:
        text += f" {RARE}"
    return SearchVector(Value(text), config="simple")


def plans_of(deed):
    """The plan of each statement that the deed runs on the large tables."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        deed()
    found = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            sql = query["sql"]
            if any(f"{table}" in sql for table in LARGE) and sql.lstrip().startswith(("SELECT", "WITH")):
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
                plan = cursor.fetchone()[0]
                found.append((sql, plan if isinstance(plan, list) else json.loads(plan)))
    assert found
    return found


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def assert_no_scan(deed, tables=LARGE):
    for sql, (plan,) in plans_of(deed):
        for node in nodes(plan["Plan"]):
            scanned = node["Node Type"].endswith("Seq Scan") and node.get("Relation Name") in tables
            assert not scanned, (
                f"{node['Relation Name']} is read whole by {sql}\n{json.dumps(plan, indent=1)}"
            )


@pytest.mark.django_db
def test_the_planner_believes_in_a_million(stored):
    (_, (plan,)), *_ = plans_of(lambda: list(Interaction.objects.values_list("id").filter(latency_ms=1)))

    assert plan["Plan"]["Node Type"].endswith(("Seq Scan", "Gather"))
    assert sum(node["Total Cost"] for node in nodes(plan["Plan"])) > BELIEVED / 1_000


FILTERS = [
    {},
    {"source": "bot-3"},
    {"provider": "provider-1"},
    {"model": "model-2"},
    {"fingerprint": "fp_4"},
    {"fingerprint": "none"},
    {"seed": "7919"},
    {"seed": "1000..9000"},
    {"status": "error"},
    {"status": "5xx"},
    {"status": "200"},
    {"flagged": "yes"},
    {"flagged": "no"},
    {"discussed": "open"},
    {"discussed": "no"},
    {"tag": "tag-900"},
    {"trace": "trace-17"},
    {"session": "session-17"},
    {"user": "user-17"},
    {"request_hash": hashlib.sha256(b"17").hexdigest()},
    {"since": NOW.isoformat()},
    {"until": (NOW + timedelta(minutes=9)).isoformat()},
    {"endpoint": "chat.completions"},
    {"finish_reason": "stop"},
    {"cost": ">0.9"},
    {"cost": "none"},
    {"verdict": "identical"},
    {"q": RARE},
    {"q": COMMON},
    {"q": f"{COMMON} word17"},
    {"q": f'"{COMMON}"', "model": "model-1"},
    {"source": "bot-1", "status": "error", "fingerprint": "fp_1"},
    {"replays": "all", "model": "model-1"},
    {"replays": "yes"},
    {"canaries": "no"},
    {"canaries": "no", "model": "model-1"},
    {"canaries": "yes"},
]


@pytest.mark.django_db
@pytest.mark.parametrize("values", FILTERS, ids=str)
def test_a_page_of_the_list_is_read_by_an_index(stored, values):
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        rows = apply(seen, read_filter(values), project=stored).select_related("source", "provider")
        list_rows(page_of(rows, limit=50).items, actor=system_actor(project=stored))

    assert_no_scan(deed)


@pytest.mark.django_db
@pytest.mark.parametrize("word", [RARE, "unfindable"])
def test_a_rare_word_is_found_by_the_index_of_words_and_a_few_texts(stored, word):
    """What walks the list instead reads every text, for half a minute at a million."""
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        page_of(apply(seen, read_filter({"q": word}), project=stored), limit=50)

    sql, (plan,) = plans_of(deed)[-1]

    scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == LARGE[2]]
    assert [node["Node Type"] for node in scans] == ["Bitmap Heap Scan"], sql


@pytest.mark.django_db
def test_a_common_word_is_found_along_the_list(stored):
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        page_of(apply(seen, read_filter({"q": COMMON}), project=stored), limit=50)

    sql, (plan,) = plans_of(deed)[-1]

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert used & {"interaction_newest", "interaction_with_answers"}, sql
    assert "interaction_words" not in used


@pytest.fixture(scope="module")
def marked(stored, django_db_blocker):
    """Of the million one in twenty was flagged, discussed, replayed and tagged, some twice."""
    with django_db_blocker.unblock():
        found = list(Interaction.objects.filter(project=stored).order_by("started_at")[::MARKED_EVERY])
        run = make_run(project=stored)
        for number in range(2):
            for model, values in (
                (Flag, {"reason": "Wrong"}),
                (Thread, {"changed_at": NOW, "state": "open" if number else "resolved"}),
                (AddedTag, {"name": f"given-{number}"}),
            ):
                model.objects.bulk_create(
                    model(project=stored, interaction=one, created_at=NOW, **values)
                    for one in found[:: number + 1]
                )
            attempts = [
                Attempt(
                    project=stored,
                    run=run,
                    original=one,
                    provider_id=one.provider_id,
                    number=number,
                    created_at=NOW,
                )
                for one in found
            ]
            Attempt.objects.bulk_create(attempts)
            Comparison.objects.bulk_create(
                Comparison(
                    project=stored,
                    run=run,
                    attempt=attempt,
                    original_id=attempt.original_id,
                    verdict="identical" if number else "nondeterministic",
                    sentence="Same.",
                    method=1,
                    created_at=NOW + timedelta(minutes=number * (place % 2)),
                )
                for place, attempt in enumerate(attempts)
            )
        with connection.cursor() as cursor:
            for name in BESIDE:
                cursor.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
            cursor.execute(f"ANALYZE {', '.join(BESIDE)}, reviewapp_replayrun")
            cursor.execute(
                "UPDATE pg_class SET reltuples = reltuples * %(times)s"
                " WHERE oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = ANY(%(names)s::regclass[]))"
                " OR oid = ANY(%(names)s::regclass[])",
                {"times": BELIEVED // ROWS, "names": list(BESIDE)},
            )
        yield stored
        with connection.cursor() as cursor:
            for name in BESIDE:
                cursor.execute(f"ALTER TABLE {name} RESET (autovacuum_enabled)")


FLAGGED = {"flagged": "yes"}
RARE_FILTERS = {
    "flag_along_the_list": FLAGGED,
    "thread_along_the_list": {"discussed": "yes"},
    "thread_open_along_the_list": {"discussed": "open"},
    "added_tag_along_the_list": {"tag": "given-1"},
    "comparison_along_the_list": {"verdict": "identical"},
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("index", "values"),
    [
        *RARE_FILTERS.items(),
        ("thread_along_the_list", {"discussed": "resolved"}),
        ("comparison_along_the_list", {"verdict": "nondeterministic"}),
        *((index, {**values, "fingerprint": "fp_2"}) for index, values in RARE_FILTERS.items()),
        *(
            (index, {**values, "until": (NOW + timedelta(minutes=30)).isoformat()})
            for index, values in RARE_FILTERS.items()
        ),
        ("comparison_along_the_list", {"verdict": "identical", **FLAGGED}),
        ("thread_along_the_list", {"discussed": "yes", **FLAGGED}),
    ],
    ids=str,
)
@pytest.mark.parametrize("far_in", [False, True])
def test_what_few_have_is_walked_in_order_and_not_sorted(marked, index, values, far_in):
    """Of ten times as many that have it all would be looked up and sorted, for a page of fifty."""
    seen = Interaction.objects.visible_to(system_actor(project=marked))
    cursor = page_of(seen, limit=ROWS // 2).older if far_in else ""

    def deed():
        rows = apply(seen, read_filter(values), project=marked).select_related("source", "provider")
        page_of(rows, limit=50, cursor=cursor)

    sql, (plan,) = plans_of(deed)[-1]

    found = list(nodes(plan["Plan"]))
    assert not [node for node in found if "Sort" in node["Node Type"]], sql
    (scan,) = [node for node in found if node.get("Index Name") == index]
    # What bounds the page and the times narrows the index itself.
    if far_in or "until" in values:
        assert "asked_at" in scan["Index Cond"], sql
    scans = [node for node in found if node.get("Relation Name") == LARGE[0]]
    assert [node.get("Index Name") for node in scans] == ["reviewapp_interaction_pkey"], sql


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("index", "other"),
    [
        ("interaction_trace", {"trace": "trace-17"}),
        ("interaction_session", {"session": "session-17"}),
        ("interaction_user", {"user": "user-17"}),
        ("interaction_seed", {"seed": "7919"}),
        ("interaction_hash", {"request_hash": hashlib.sha256(b"17").hexdigest()}),
    ],
    ids=str,
)
@pytest.mark.parametrize("values", RARE_FILTERS.values(), ids=str)
def test_what_fewer_have_still_is_looked_at_first(marked, index, other, values):
    seen = Interaction.objects.visible_to(system_actor(project=marked))

    def deed():
        page_of(apply(seen, read_filter({**values, **other}), project=marked), limit=50)

    sql, (plan,) = plans_of(deed)[-1]

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert index in used, sql


@pytest.mark.django_db
@pytest.mark.parametrize("values", [{"flagged": "no"}, {"discussed": "no"}], ids=str)
def test_what_few_do_not_have_is_found_along_the_list(marked, values):
    seen = Interaction.objects.visible_to(system_actor(project=marked))

    def deed():
        page_of(apply(seen, read_filter(values), project=marked), limit=50)

    sql, (plan,) = plans_of(deed)[-1]

    found = list(nodes(plan["Plan"]))
    assert not [node for node in found if node["Node Type"] in ("Sort", "Hash")], sql
    used = {node.get("Index Name") for node in found}
    assert used & {"interaction_newest", "interaction_with_answers"}, sql


@pytest.mark.django_db
def test_a_verdict_that_none_has_is_not_looked_for_along_the_list(stored):
    """Of a million interactions hardly one was replayed: to ask each for its last verdict takes seconds."""
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        page_of(apply(seen, read_filter({"verdict": "failed"}), project=stored), limit=50)

    ((sql, (plan,)),) = plans_of(deed)

    scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == LARGE[0]]
    assert [node.get("Index Name") for node in scans] == ["reviewapp_interaction_pkey"], sql


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["404", "4xx", "none"])
def test_a_status_that_none_has_is_not_looked_for_among_all_errors(stored, status):
    """Two in a hundred are errors: at ten million they are two hundred thousand."""
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        assert not page_of(apply(seen, read_filter({"status": status}), project=stored), limit=50).items

    ((sql, (plan,)),) = plans_of(deed)

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert "interaction_status" in used, sql
    assert not used & {"interaction_errors", "interaction_newest"}, sql


@pytest.mark.django_db
def test_what_has_a_tag_is_found_without_naming_each_of_it(stored):
    """Thousands of ids in a statement take longer to read than the rows."""
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        assert page_of(apply(seen, read_filter({"tag": "tag-900"}), project=stored), limit=50).items

    sql, (plan,) = plans_of(deed)[-1]

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert "interaction_tags" in used, sql
    assert "interaction_newest" not in used, sql


@pytest.mark.django_db
def test_a_tag_that_many_have_is_not_walked_to_where_the_rest_of_a_filter_matches_little(stored, monkeypatch):
    monkeypatch.setattr("reviewapp.models.filters._MANY", 1)
    seen = Interaction.objects.visible_to(system_actor(project=stored))
    wanted = read_filter({"tag": "tag-900", "model": "model-0", "since": NOW.isoformat()})

    def deed():
        assert page_of(apply(seen, wanted, project=stored), limit=50).items

    sql, (plan,) = plans_of(deed)[-1]

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert "interaction_tags" in used, sql


@pytest.mark.django_db
def test_the_few_dearest_are_found_by_what_they_cost(stored):
    """To walk the list to fifty in a million that cost so much would read most of it."""
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        page_of(apply(seen, read_filter({"cost": ">0.999"}), project=stored), limit=50)

    ((sql, (plan,)),) = plans_of(deed)

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert used == {"interaction_cost"}, sql


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"source": "idle"},
        {"source": "nobody"},
        {"provider": "idle"},
        {"provider": "nobody"},
        {"model": "none-such"},
        {"model": "none-such", "replays": "all"},
        {"endpoint": "embeddings"},
        {"finish_reason": "length"},
        {"tag": "none-such"},
        {"canaries": "yes"},
    ],
    ids=str,
)
def test_a_value_that_no_row_has_is_not_looked_for_along_the_list(stored, values):
    """To its end, that is: seconds at a million."""
    seen = Interaction.objects.visible_to(system_actor(project=stored))

    def deed():
        assert not page_of(apply(seen, read_filter(values), project=stored), limit=50).items

    for sql, (plan,) in plans_of(deed):
        used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
        assert not used & {"interaction_newest", "interaction_with_answers"}, sql
        assert used, sql


@pytest.mark.django_db
def test_a_page_far_in_is_read_by_an_index(stored):
    seen = Interaction.objects.visible_to(system_actor(project=stored)).originals()
    cursor = page_of(seen, limit=ROWS * 3 // 4).older

    assert_no_scan(lambda: page_of(seen, limit=50, cursor=cursor))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["model", "fingerprint"])
def test_known_values_are_read_by_an_index(stored, name):
    assert_no_scan(lambda: known_values(project=stored, name=name))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["tag", "finish_reason"])
def test_recent_values_are_read_by_an_index(stored, name):
    assert_no_scan(lambda: recent_values(project=stored, name=name))


@pytest.mark.django_db
def test_home_is_read_by_indexes(stored):
    actor = system_actor(project=stored)

    assert_no_scan(lambda: overview(actor=actor, since=NOW, now=NOW + timedelta(hours=2)))


@pytest.mark.django_db
def test_threads_that_wait_are_looked_for_where_the_person_was_told(marked):
    """Open threads are as many as a project has; of most of them this person was told nothing."""
    reviewer = make_actor(project=marked, role="reviewer")

    ((sql, (plan,)),) = plans_of(lambda: waiting_threads(actor=reviewer))

    used = {node["Index Name"] for node in nodes(plan["Plan"]) if "Index Name" in node}
    assert "notification_newest" in used, sql
    assert not {name for name in used if name.startswith("thread_")}, sql
    assert_no_scan(lambda: waiting_threads(actor=reviewer), tables=(*LARGE, "reviewapp_thread"))


@pytest.mark.django_db
def test_the_newest_replays_are_told_of_without_looking_for_each_twice(stored):
    actor = system_actor(project=stored)

    found = plans_of(lambda: reproducibility(actor=actor, since=NOW))

    assert [sql.count('FROM "reviewapp_comparison"') for sql, _ in found] == [1]


@pytest.mark.django_db
def test_one_interaction_is_read_by_an_index(stored):
    one = Interaction.objects.filter(project=stored).values_list("id", flat=True).first()

    assert_no_scan(lambda: export.rows_of(list(export.with_bodies(Interaction.objects.filter(pk=one)))))


@pytest.mark.django_db
def test_fingerprints_ask_nothing_of_the_interactions(stored):
    with CaptureQueriesContext(connection) as captured:
        pools_of(project=stored, now=NOW)

    assert not [query for query in captured.captured_queries if "reviewapp_interaction" in query["sql"]]


@pytest.mark.django_db
def test_the_minutes_of_a_timeline_are_counted_along_the_index_of_time(stored):
    def deed():
        traffic_of(project=stored, pools=[], start=NOW, end=NOW + timedelta(hours=3), now=NOW)

    ((sql, (plan,)),) = plans_of(deed)

    scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") in LARGE]
    assert [(node["Node Type"], node["Index Name"]) for node in scans] == [
        ("Index Scan", "interaction_with_answers")
    ], sql
    # The span's both ends narrow the index itself; nothing is read and then left out.
    assert scans[0]["Index Cond"].count("started_at") == 2
    assert "Filter" not in scans[0]
