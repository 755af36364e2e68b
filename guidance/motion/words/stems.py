"""Stems of English words, so that "waving", "waves" and "waved" are the same."""

from __future__ import annotations

import re
from functools import lru_cache

#: Words that say nothing about an action.
_STOP_TEXT = """\
about a an the and or of to in on at by for with from into onto as is are be being been am was it
its his her their there this that who which while very some someone person man woman people
guy boy girl human figure he she they one somebody adult something anything thing just then
does do doing did makes make making has have having gets get getting goes go going starts
start begins takes take taking gives give giving like up down off out over around
"""
STOP = frozenset(_STOP_TEXT.split())
#: Forms that the rules below miss.
IRREGULAR = {
    "ran": "run", "running": "run", "sat": "sit", "sitting": "sit", "threw": "throw",
    "thrown": "throw", "caught": "catch", "fell": "fall", "fallen": "fall", "lying": "lie",
    "lay": "lie", "laying": "lie", "lies": "lie", "dying": "die", "dies": "die", "died": "die",
    "dead": "die", "flew": "fly", "flies": "fly", "flown": "fly", "flight": "fly", "swam": "swim",
    "swum": "swim", "stood": "stand", "knelt": "kneel", "slept": "sleep", "asleep": "sleep",
    "drank": "drink", "ate": "eat", "drove": "drive", "fought": "fight", "shot": "shoot",
    "hit": "hit", "spun": "spin", "swung": "swing", "wept": "weep", "crept": "creep",
    "leapt": "leap", "thought": "think", "tying": "tie", "ties": "tie", "read": "read",
    "wrote": "write", "shook": "shake", "bent": "bend", "hands": "hand", "feet": "foot",
    "knees": "knee", "boxing": "box", "boxer": "box", "boxes": "box", "dancer": "dance",
    "runner": "run", "swimmer": "swim", "driver": "drive", "jogger": "jog", "skiing": "ski",
    "swordsman": "sword", "guitarist": "guitar", "pianist": "piano", "violinist": "violin",
    "drummer": "drum", "drumming": "drum", "golfer": "golf", "archer": "archery",
    "hiding": "hide", "pistols": "pistol", "praying": "pray", "tired": "tired", "rifle": "pistol",
}  # fmt: skip
VOWEL = re.compile(r"[aeiouy]")


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The stem of a word in lower case letters; for comparison only, e.g. "danc" of "dancing"."""
    if word in IRREGULAR:
        return _without_e(IRREGULAR[word])
    for ending in ("ings", "ing", "edly", "ed", "ers", "er", "ly"):
        base = word[: -len(ending)]
        if word.endswith(ending) and len(base) >= 3 and VOWEL.search(base):
            return stem(_single(base)) if ending != "er" else _without_e(_single(base))
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "i"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    return _without_e(word)


def _single(base: str) -> str:
    """Takes back a doubled letter: "runn" is "run", but "kick" and "press" stay."""
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
        return base[:-1]
    return base


def _without_e(word: str) -> str:
    if word.endswith("y") and len(word) > 3:
        return word[:-1] + "i"
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower().replace("-", " ").replace("’", "'"))


def stems_of(text: str) -> list[str]:
    """The stems of the words that say something; particles are joined to the word before them."""
    found: list[str] = []
    words = words_of(text)
    for position, word in enumerate(words):
        if word in ("up", "down", "off", "out", "over", "around") and position:
            found.append(f"{stem(words[position - 1])}+{word}")
        if word not in STOP:
            found.append(stem(word))
    return found
