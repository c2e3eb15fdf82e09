"""What is told to people, composed once and read in any language.

A text is a few messages in a row. Each has a key, which is stored, and a template in `templates`, which is
translated. `Said` is the English text that remembers its messages: whoever stores or sends text takes it
for what it is, whoever shows it to a person composes it anew in the reader's language.
"""

from reviewapp.pure.said.messages import (
    ENGLISH,
    Day,
    Figure,
    Joined,
    Language,
    Message,
    Month,
    Param,
    Said,
    figure,
    said,
    say,
    stored,
    text_of,
    to_store,
    together,
)

__all__ = [
    "ENGLISH",
    "Day",
    "Figure",
    "Joined",
    "Language",
    "Message",
    "Month",
    "Param",
    "Said",
    "figure",
    "said",
    "say",
    "stored",
    "text_of",
    "to_store",
    "together",
]
