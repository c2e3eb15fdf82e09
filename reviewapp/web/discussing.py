"""Discussions for people's eyes: what each post says as safe HTML, and where the words are.

What people write is Markdown-lite: emphasis, code, lists, quotes, links. Headings, images, tables and HTML
are the words that they are. The names that a post mentions are the ones it named when it was written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from reviewapp.formats.openai import read_request
from reviewapp.models import Actor, Interaction, Permission, Post, Thread, ThreadPlace, ThreadState
from reviewapp.models.discussing import discussion_of
from reviewapp.pure import rawjson
from reviewapp.pure.anchors import ink_before
from reviewapp.pure.mentions import handle_at
from reviewapp.stages import review
from reviewapp.templatetags.faces import hue_class
from reviewapp.web.rendering import visible

_TAGS: Final = {"p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span"}


def _mention(state: StateInline, silent: bool) -> bool:
    """An inline rule of markdown-it: an @ and a handle that the post names."""
    at = state.pos
    if state.src[at] != "@" or (at and (state.src[at - 1].isalnum() or state.src[at - 1] in "_.+-@/")):
        return False
    found = handle_at(state.src, at + 1, state.env.get("mentions", {}))
    if found is None:
        return False
    if not silent:
        opening = state.push("mention_open", "span", 1)
        opening.attrSet("class", "mention")
        state.push("text", "", 0).content = state.src[at : at + 1 + found[0]]
        state.push("mention_close", "span", -1)
    state.pos = at + 1 + found[0]
    return True


_LITE = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
_LITE.enable("strikethrough").disable(["heading", "lheading", "hr", "image", "reference"])
_LITE.inline.ruler.before("emphasis", "mention", _mention)


def post_html(post: Post) -> SafeString:
    """What it says, with nothing in it that could run, load or style."""
    html = _LITE.render(visible(post.text), {"mentions": post.mentions})
    return mark_safe(  # noqa: S308  # sanitised
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}},
            allowed_classes={"span": {"mention"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
    )


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post, ready for the template."""

    post: Post
    html: SafeString
    mine: bool
    earlier: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShownThread:
    """A thread, ready for the template; `marks` draws its words on the page."""

    thread: Thread
    posts: list[ShownPost]
    hidden: int
    marks: str = ""

    @property
    def is_open(self) -> bool:
        return bool(self.thread.state == ThreadState.OPEN)


@dataclass(frozen=True, slots=True)
class ShownDiscussion:
    """What an interaction's card shows."""

    one: Interaction
    version: str
    open: list[ShownThread]
    resolved: list[ShownThread]
    hidden: int
    more: int
    may_write: bool
    title: str = ""


def show_discussion(*, actor: Actor, one: Interaction, title: str = "") -> ShownDiscussion:
    """The card of an interaction, as this person may see it."""
    found = discussion_of(actor=actor, interactions=[one.pk])
    texts = _Texts(one)
    return ShownDiscussion(
        one=one,
        version=found.version,
        open=[_show(thread, actor, texts) for thread in found.open],
        resolved=[_show(thread, actor, texts) for thread in found.resolved],
        hidden=found.hidden,
        more=found.more,
        may_write=actor.may(Permission.REVIEW),
        title=title,
    )


def _show(thread: Any, actor: Actor, texts: _Texts) -> ShownThread:
    return ShownThread(
        thread=thread,
        posts=[_post(post, actor) for post in thread.shown],
        hidden=thread.unshown,
        # What is settled is not drawn any more.
        marks="" if thread.state == ThreadState.RESOLVED else _marks(thread, texts),
    )


def _post(post: Any, actor: Actor) -> ShownPost:
    gone = post.removed_at is not None
    return ShownPost(
        post=post,
        html=SafeString("") if gone else post_html(post),
        mine=actor.person is not None and post.created_by_id == actor.person.pk,
        earlier=[] if gone else sorted(post.revisions.all(), key=lambda one: one.version),
    )


class _Texts:
    """The texts that anchors count in, each read once and only where one is needed."""

    def __init__(self, one: Interaction) -> None:
        self._one = one
        self._kept: dict[int | None, str] = {}
        self._messages: Sequence[Any] | None = None

    def of(self, message: int | None) -> str:
        if message not in self._kept:
            self._kept[message] = self._read(message)
        return self._kept[message]

    def _read(self, message: int | None) -> str:
        if message is None:
            return review.answer_text(self._one)
        if self._messages is None:
            request = rawjson.parse(self._one.body.request_text)
            self._messages = read_request(self._one.endpoint, request).messages  # type: ignore[arg-type]
        return str(self._messages[message].text) if message < len(self._messages) else ""


def _marks(thread: Thread, texts: _Texts) -> str:
    if thread.place == ThreadPlace.WHOLE:
        return ""
    text = texts.of(thread.message)
    mark = {
        "place": "answer" if thread.message is None else str(thread.message),
        "words": thread.quote,
        "near": ink_before(text, thread.start or 0),
        "name": thread.made_by,
        "hue": hue_class(str(thread.pk)),
        "thread": f"thread-{thread.pk}",
    }
    return json.dumps([mark])
