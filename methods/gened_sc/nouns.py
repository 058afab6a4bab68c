"""The noun that a caption is about, by rule: CLIP's text for an image that has a caption and no class label.

::

    "a close-up of a small boat anchored on calm water"
     └ frame, left out ┘ └─ first noun phrase ─┘└─ anything from a preposition, verb or comma on
                                   └── its last word: "boat"

A caption's subject stands first, so its first noun phrase ends where a word follows that cannot belong to it: a function word
or a comma; a verb in -ing; one in -ed before a function word ("anchored on", but not "shuttered window"); after a singular
article, one in -s ("a dog runs"). Rules of word endings err where spelling does ("a fast running dog" gives "fast"); an image
with a label never asks them.
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ARTICLES = _words("a an the one this that its his her their some many several two three four five six seven eight nine ten")
_SINGULAR = frozenset({"a", "an", "one", "this"})
_FUNCTION = _words(
    "in on at by with without under over above below behind beside between among against across along around near next to from "
    "into onto through toward towards inside outside of off for during before after while as and or but that which who where is are "
    "was were be being been has have had can will up down out there here not"
)
_FRAMES = _words(
    "photo photograph image image portrait close-up closeup view shot scene painting drawing group pair couple row line crowd bunch "
    "lot number set piece kind type"
)
_THINGS_IN_ING = _words(
    "building painting ceiling railing wedding clothing evening morning ring king string spring wing thing icing pudding earring"
)
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]")


def caption_noun(caption: str) -> str | None:
    """Return the head noun of a caption's first noun phrase, in lower case; ``None`` where no word could be one."""
    words = _WORD.findall(caption.lower())
    noun = _after_article(words)
    while noun is not None and words[noun] in _FRAMES and words[noun + 1 : noun + 2] == ["of"]:
        words = words[noun + 2 :]
        noun = _after_article(words)
    return None if noun is None else words[noun]


def _after_article(words: list[str]) -> int | None:
    """Return the index of the last word of the first noun phrase."""
    head, singular = None, False
    for index, word in enumerate(words):
        if head is None and word in _ARTICLES:
            singular = word in _SINGULAR
        elif word in _FUNCTION or word in _ARTICLES or not word[0].isalnum():
            if head is not None:
                break
        elif head is not None and _leaves_phrase(word, words[index + 1] if index + 1 < len(words) else "", singular):
            break
        else:
            head = index
    return head


def _leaves_phrase(word: str, following: str, singular: bool) -> bool:
    """Return whether a word after a phrase's first content word no longer belongs to the phrase, by its ending."""
    closes = not following or following in _FUNCTION or following in _ARTICLES or not following[0].isalnum()
    verb = (word.endswith("ing") and word not in _THINGS_IN_ING) or (word.endswith("ed") and closes)
    return verb or (singular and word.endswith("s") and not word.endswith(("ss", "us", "is")))
