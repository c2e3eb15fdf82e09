"""What is told of files that are brought in: why something of them can't be recorded, and what is no call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reviewapp.pure.said.templates.marking import Template, gettext_noop

TEMPLATES: Final[Mapping[str, Template]] = {
    # ---- texts of ours without places, and what they are about ----
    "ours": "%(ours)s",
    "file_member": gettext_noop("%(member)s: %(ours)s"),
    "file_of_replay": gettext_noop("(the answer of a replay) %(ours)s"),
    "file_of_requests": gettext_noop("(of the requests) %(ours)s"),
    # ---- JSON ----
    "json_ends": gettext_noop("%(ours)s."),
    "json_at": gettext_noop("%(ours)s at line %(line)s, column %(column)s."),
    "json_at_column": gettext_noop("%(ours)s at column %(column)s."),
    "json_at_character": gettext_noop("%(ours)s at character %(character)s."),
    "json_cut": gettext_noop(
        "The text ends before its JSON does: it was cut off, or a closing quote or bracket is missing."
    ),
    "json_too_deep": gettext_noop("The value is nested deeper than %(levels)s levels"),
    "json_not_utf8": gettext_noop("The bytes are not UTF-8: byte %(byte)s stands"),
    "file_line_cut": gettext_noop(
        "The line ends before its JSON does: it was cut off, or a closing quote or bracket is missing."
        " Bring in the file again once the line is whole."
    ),
    "file_no_object": gettext_noop("This is no JSON object. %(ours)s"),
    "file_no_array": gettext_noop("This is no JSON array. %(ours)s"),
    # ---- members of an interaction ----
    "file_one_of": gettext_noop("must be one of %(choices)s, or absent."),
    "file_text_too_long": gettext_noop(
        "has %(characters)s characters, at most %(most)s fit; keep longer texts in metadata."
    ),
    "file_latency": gettext_noop("must be a number of milliseconds from 0 to %(most)s."),
    "file_tags": gettext_noop("has %(number)s tags, at most %(most)s fit."),
    "file_headers": gettext_noop("has %(number)s headers, at most %(most)s fit."),
    "file_metadata": gettext_noop(
        "has %(characters)s characters, at most %(most)s fit (unknown members count)."
    ),
    # ---- a file, or a part of it ----
    "file_format": gettext_noop("“%(format)s” is no format; choose from %(choices)s."),
    "file_zip": gettext_noop("The zip can't be read: %(why)s."),
    "file_zip_lacks": gettext_noop("The zip holds no %(name)s."),
    "file_unpacks": gettext_noop("%(name)s unpacks to more than 128 MiB."),
    "file_yaml": gettext_noop("The file is no YAML that can be read: %(why)s."),
    "file_sqlite": gettext_noop("This SQLite file is no log database of llm: %(why)s."),
    "file_packed": gettext_noop("The response is packed with %(encoding)s, which is not read here."),
    "file_gzip": gettext_noop("The response is no gzip, though it begins as one: %(why)s."),
    "file_unreadable": gettext_noop("The file can't be read: %(why)s."),
    "file_unforeseen": gettext_noop("Something unforeseen is in the file (%(name)s); the log says more."),
    "file_array_of": gettext_noop(
        "No format is recognised: the file is an array with the members %(names)s."
    ),
    "file_document_of": gettext_noop(
        "No format is recognised: the file is a document with the members %(names)s."
    ),
    "file_array": gettext_noop("No format is recognised: the file is an array without an object in it."),
    "file_document": gettext_noop("No format is recognised: the file is a document without an object in it."),
    "file_no_call": gettext_noop("There is no call of a model in it: %(count)d × %(what)s."),
    "file_no_answer": gettext_noop("It holds no answer: none of %(choices)s is a text in its %(where)s."),
    "file_only_id": gettext_noop("Of the response %(name)s the trace holds only the id, not what was said."),
    # ---- batches ----
    "batch_twice": gettext_noop("The custom_id %(name)s occurs a second time."),
    "batch_unknown": gettext_noop("The custom_id %(name)s is not in the file of requests."),
    "batch_url": gettext_noop("The line's url names none of the endpoints: %(choices)s."),
    "batch_counts": gettext_noop(
        "The batch has %(results)s results, the file of requests %(requests)s."
        " Results without ids can't be matched."
    ),
    # ---- what is no call ----
    "left_langfuse": gettext_noop("%(file_kind)s of Langfuse"),
    "left_langsmith": gettext_noop("%(file_kind)s run of LangSmith"),
    "left_agents": gettext_noop("%(file_kind)s of OpenAI Agents"),
    "left_eval": gettext_noop("%(file_kind)s of an eval"),
    "left_litellm": gettext_noop("%(file_kind)s of LiteLLM"),
}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "file_kind": {
        "unfinished": gettext_noop("unfinished"),
        "item": gettext_noop("item"),
        "head": gettext_noop("head"),
        "entry": gettext_noop("entry"),
    },
    # What Python's reader of JSON says, and ours.
    "ours": {
        text: text
        for text in (
            gettext_noop("Expecting value"),
            gettext_noop("Expecting ',' delimiter"),
            gettext_noop("Expecting ':' delimiter"),
            gettext_noop("Expecting property name enclosed in double quotes"),
            gettext_noop("Invalid control character"),
            # As imports before kept them.
            gettext_noop("Unterminated string starting at"),
            gettext_noop("Invalid control character at"),
            gettext_noop("Illegal trailing comma before end of object"),
            gettext_noop("Illegal trailing comma before end of array"),
            gettext_noop("There is more after the end of the JSON value,"),
            gettext_noop("An integer has more than 4,300 digits"),
            gettext_noop("An object, {…}, is expected"),
            gettext_noop("An array, […], is expected"),
            gettext_noop("A comma or the end of the object is expected"),
            gettext_noop("A comma or the end of the array is expected"),
            gettext_noop("The name of a member in double quotes is expected"),
            gettext_noop("A colon is expected"),
        )
    },
}
