"""A new study: what to find out, in which ways to ask, what that costs; then it starts.

Everything travels in the form: the proposed edits too, so that a person may change each of them, or leave
it out, before anything is asked. `do=propose` draws them anew, `do=start` asks what the form holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import Permission, Provider, StudyKind
from reviewapp.models.filters import InvalidFilter
from reviewapp.models.probing import probed_of
from reviewapp.pure.edits import AMOUNTS, AUTOMATIC, EditKind, size_of
from reviewapp.stages import replay, study
from reviewapp.stages.administer import Refused
from reviewapp.stages.study import Arm, Deviations, Edited, Plan, Providers, Seeds
from reviewapp.stages.study.planning import FEWEST_ARMS, MOST_INTERACTIONS, Question, question_of
from reviewapp.tasks import replay_nudge
from reviewapp.web.frame import AppRequest, needs, vary_on_htmx
from reviewapp.web.pages.replay_new import Selection, presets_of, read_selection
from reviewapp.web.studying.telling import edit_words

REPEATS: Final = (1, 2, 3, 5, 10, 20)
_USUAL: Final = {StudyKind.DEVIATION: 3, StudyKind.SEEDS: 3, StudyKind.PROVIDERS: 1}
_ARMS: Final = 6
_EDITS: Final = frozenset(kind.value for kind in EditKind if kind is not EditKind.NONE)
_SEEDS: Final = 10
# A row that a person removed; more than the stage takes are not even read.
_MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One edit as the form shows it."""

    kind: str
    words: str
    text: str
    system: str | None
    size: float
    kept: bool = True


@dataclass(slots=True)
class Draft:
    """What the form holds. `problem` is why it can't be started as it stands."""

    kind: str
    data: QueryDict
    question: Question | None = None
    selection: Selection = field(default_factory=Selection)
    interactions: list[UUID] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    problem: Exception | None = None

    def value(self, name: str, usual: str = "") -> str:
        return self.data.get(name, usual).strip()

    @property
    def repeats(self) -> int:
        return _number(self.value("repeats"), _USUAL[StudyKind(self.kind)])

    @property
    def kinds(self) -> list[EditKind]:
        given = self.data.getlist("kinds")
        return [kind for kind in AUTOMATIC if kind in given] if given else list(AUTOMATIC)

    @property
    def amounts(self) -> list[float]:
        given = self.data.getlist("amounts")
        return [amount for amount in AMOUNTS if f"{amount:g}" in given] if given else list(AMOUNTS)

    @property
    def name(self) -> str:
        """The name given, or one that says what is studied."""
        if self.value("name") or "name" in self.data:
            return self.value("name")
        if self.question is not None:
            asked = " ".join(self.question.prompt.text.split())
            asked = f"{asked[:60]}…" if len(asked) > 60 else asked
            usual = _("How far may “%(asked)s” drift?")
            if self.kind == StudyKind.SEEDS:
                usual = _("What does the seed determine of “%(asked)s”?")
            return usual % {"asked": asked}
        return _("Do the providers answer alike?")


def _number(text: str, usual: int) -> int:
    try:
        return int(text)
    except ValueError:
        return usual


@needs(Permission.REPLAY)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """The form of a kind of study; without one, the kinds to choose from."""
    data = request.POST if request.method == "POST" else request.GET
    if data.get("kind") not in StudyKind.values:
        return _kinds(request)
    draft = _draft(request, data)
    if request.method == "POST" and data.get("do") == "start" and draft.problem is None:
        try:
            with transaction.atomic():
                found = study.start(
                    actor=request.actor,
                    plan=_plan(draft),
                    repeats=draft.repeats,
                    name=draft.name,
                    now=timezone.now(),
                )
                transaction.on_commit(lambda: replay_nudge.delay(run_id=str(found.run_id)))
            return redirect("study", id=found.pk)
        except Refused as error:
            draft.problem = error
    return render(
        request,
        "pages/study-new.html",
        _context(request, draft),
        status=422 if draft.problem is not None and request.method == "POST" else 200,
    )


def _kinds(request: AppRequest) -> HttpResponse:
    """What can be found out, of what was chosen already: by its ids, or by a filter."""
    problem, chosen, selection = None, [], Selection()
    try:
        selection = read_selection(request, request.GET)
        if selection.value is not None:
            rows = replay.selected(actor=request.actor, selection=selection.value)
            chosen = list(rows.order_by().values_list("pk", flat=True)[:2])
    except (Refused, InvalidFilter) as error:
        problem = error
    return render(
        request,
        "pages/study-new.html",
        {
            "draft": None,
            "problem": problem,
            "query": selection.query,
            "one": chosen[0] if len(chosen) == 1 else None,
            # Two of the three kinds are about one question.
            "several": len(chosen) > 1,
        },
        status=422 if problem else 200,
    )


@needs(Permission.REPLAY)
@require_POST
def estimate(request: AppRequest) -> HttpResponse:
    """What the form as it stands would ask; changes nothing."""
    if request.POST.get("kind") not in StudyKind.values:
        return HttpResponse(status=400)
    context = _context(request, _draft(request, request.POST))
    return vary_on_htmx(render(request, "pages/study-new.html#estimate", context))


def _draft(request: AppRequest, data: QueryDict) -> Draft:
    draft = Draft(kind=data.get("kind", ""), data=data)
    try:
        if draft.kind == StudyKind.PROVIDERS:
            _choose_interactions(request, draft)
        elif draft.value("interaction"):
            draft.question = question_of(actor=request.actor, interaction=_id(draft.value("interaction")))
        if draft.kind == StudyKind.DEVIATION and draft.question is not None:
            draft.rows = _rows(draft)
    except (Refused, InvalidFilter) as error:
        draft.problem = error
    return draft


def _id(text: str) -> UUID:
    # People paste the address as well as the id.
    try:
        return UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise Refused(_("“%(text)s” is no id of an interaction.") % {"text": text[:80]}) from None


def _choose_interactions(request: AppRequest, draft: Draft) -> None:
    draft.selection = read_selection(request, draft.data)
    if draft.selection.value is None:
        return
    rows = replay.selected(actor=request.actor, selection=draft.selection.value)
    ids = list(rows.order_by("-started_at", "-id").values_list("pk", flat=True)[: MOST_INTERACTIONS + 1])
    if len(ids) > MOST_INTERACTIONS:
        raise Refused(
            _("These are more than %(most)s interactions; choose fewer.") % {"most": f"{MOST_INTERACTIONS:,}"}
        )
    draft.interactions = ids


# ---- edits ----


def _rows(draft: Draft) -> list[Row]:
    """The edits that the form holds, or those that are proposed."""
    assert draft.question is not None
    prompt = draft.question.prompt
    if "edits" in draft.data and draft.data.get("do") != "propose":
        return _given_rows(draft)
    edits = study.previewed(draft.question, kinds=draft.kinds, amounts=draft.amounts)
    edits += [Edited(EditKind.PARAPHRASE, text) for text in _paragraphs(draft.value("paraphrases"))]
    if prompt.system is not None:
        systems = _paragraphs(draft.value("systems"))
        edits += [Edited(EditKind.SYSTEM, prompt.text, system) for system in systems]
    return [_row(draft, edit.kind, edit.text, edit.system) for edit in edits]


def _given_rows(draft: Draft) -> list[Row]:
    found = []
    for number in range(min(_number(draft.value("edits"), 0), _MOST_ROWS)):
        kind = draft.data.get(f"kind-{number}", "")
        text = draft.data.get(f"text-{number}")
        if kind not in _EDITS or text is None:
            continue
        # A form sends line breaks as two characters; prompts mostly have one.
        system = draft.data.get(f"system-{number}")
        found.append(
            _row(
                draft,
                kind,
                text.replace("\r\n", "\n"),
                None if system is None else system.replace("\r\n", "\n"),
                kept=f"leave-{number}" not in draft.data,
            )
        )
    return found


def _row(draft: Draft, kind: str, text: str, system: str | None, *, kept: bool = True) -> Row:
    assert draft.question is not None
    prompt = draft.question.prompt
    before = (prompt.system or "") + prompt.text
    after = ((prompt.system or "") if system is None else system) + text
    return Row(str(kind), edit_words(kind), text, system, size_of(before, after), kept)


def _paragraphs(text: str) -> list[str]:
    """What people wrote, one text a paragraph."""
    pieces = text.replace("\r\n", "\n").split("\n\n")
    return [piece.strip() for piece in pieces if piece.strip()]


# ---- the plan ----


def _plan(draft: Draft) -> Plan:
    """What the form asks for. Raises Refused."""
    if draft.kind == StudyKind.PROVIDERS:
        if not draft.interactions:
            raise Refused(_("Choose the interactions to ask."), field="interactions")
        return Providers(draft.interactions, _arms(draft))
    if draft.question is None:
        raise Refused(_("Choose an interaction."), field="interaction")
    row = draft.question.row
    if draft.kind == StudyKind.SEEDS:
        return Seeds(row.pk, _seeds(draft), _temperatures(draft))
    edits = [Edited(EditKind(one.kind), one.text, one.system) for one in draft.rows if one.kept]
    return Deviations(row.pk, edits, _whole(draft.value("seed"), "seed") if draft.value("seed") else None)


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(_("“%(text)s” is no whole number.") % {"text": text[:40]}, field=name) from None


def _seeds(draft: Draft) -> list[int]:
    """Single ones and stretches: `1, 5, 10..20`."""
    found: list[int] = []
    for piece in (draft.value("seeds") or _usual_seeds(draft)).replace(",", " ").split():
        first, dots, last = piece.partition("..")
        begin = _whole(first, "seeds")
        end = _whole(last, "seeds") if dots else begin
        if not 0 <= end - begin < study.MOST_SEEDS:
            raise Refused(
                _("“%(piece)s” is no stretch of at most %(most)s seeds.")
                % {"piece": piece, "most": study.MOST_SEEDS},
                field="seeds",
            )
        found += range(begin, end + 1)
    return found


def _usual_seeds(draft: Draft) -> str:
    """The recorded seed and its followers."""
    recorded = draft.question.row.seed if draft.question is not None else None
    first = 1 if recorded is None else recorded
    return f"{first}..{first + _SEEDS - 1}"


def _temperatures(draft: Draft) -> list[float | None]:
    found: list[float | None] = []
    for piece in draft.value("temperatures").replace(",", " ").split():
        try:
            found.append(float(piece))
        except ValueError:
            raise Refused(_("“%(text)s” is no number.") % {"text": piece}, field="temperatures") from None
    return found or [None]


def _arms(draft: Draft) -> list[Arm]:
    pairs = [
        Arm(draft.value(f"provider-{number}"), draft.value(f"model-{number}"))
        for number in range(_ARMS)
        if f"provider-{number}" in draft.data
    ]
    # The first row asks as recorded even where nothing is filled in; later ones are empty then.
    found = [arm for number, arm in enumerate(pairs) if number == 0 or arm.provider or arm.model]
    return found or [Arm()]


# ---- the page ----


def _context(request: AppRequest, draft: Draft) -> dict[str, Any]:
    providers = Provider.objects.visible_to(request.actor).exclude(base_url="").defer("api_key")
    context: dict[str, Any] = {
        "draft": draft,
        "question": draft.question,
        "is_deviation": draft.kind == StudyKind.DEVIATION,
        "is_seeds": draft.kind == StudyKind.SEEDS,
        "repeats": REPEATS if draft.kind != StudyKind.SEEDS else REPEATS[1:],
        "kinds": [(kind.value, edit_words(kind), kind in draft.kinds) for kind in AUTOMATIC],
        "amounts": [(f"{amount:g}", amount, amount in draft.amounts) for amount in AMOUNTS],
        "seeds": draft.value("seeds") or _usual_seeds(draft),
        "providers": list(providers.order_by("name")),
        "arms": [
            (number, draft.value(f"provider-{number}"), draft.value(f"model-{number}"))
            for number in range(_ARMS)
        ],
        "probed": [],
        "expected": None,
        "presets": [],
    }
    if draft.kind == StudyKind.PROVIDERS and draft.selection.value is None:
        context["presets"] = presets_of(request)
    if draft.question is not None:
        row = draft.question.row
        context["probed"] = probed_of(pairs=[(row.provider_id, row.model)])
    ready = draft.interactions if draft.kind == StudyKind.PROVIDERS else draft.question
    if not ready or draft.problem is not None:
        return context
    if draft.kind == StudyKind.PROVIDERS and len(set(_arms(draft))) < FEWEST_ARMS:
        # As the form begins; no fault of anybody's yet.
        return {**context, "needs_arms": True}
    try:
        plan = _plan(draft)
        expected = study.estimate(actor=request.actor, plan=plan, repeats=draft.repeats)
    except Refused as error:
        return {**context, "estimate_problem": error}
    return {**context, "expected": expected, "kept": [one for one in draft.rows if one.kept]}
