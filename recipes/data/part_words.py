"""The parts of persons, cows and scenes, and the words by which one asks for them."""

from __future__ import annotations

# What the pools know of each pixel: the bit of a part.
PERSON = (
    "hair", "glasses", "mouth", "eyes", "eyebrows", "nose", "beard", "skin", "clothes",
)  # fmt: skip
COW = ("head", "horns", "ears", "body", "legs", "tail", "udder")
BODY = ("head", "torso", "arms", "hands", "legs", "feet")

# Parts that are unions of others.
UNIONS = {
    "face": ("skin", "eyes", "mouth", "nose", "eyebrows", "glasses", "beard"),
    "person": PERSON,
    "cow": COW,
    "human": BODY,
}
# Wordings; articles are added.
WORDS = {
    "hair": ("hair", "hairdo", "hairstyle", "hair of the person", "head of hair"),
    "glasses": ("glasses", "eyeglasses", "spectacles", "sunglasses"),
    "mouth": ("mouth", "lips", "smile", "mouth of the person"),
    "eyes": ("eyes", "eye", "eyes of the person"),
    "eyebrows": ("eyebrows", "brows", "eyebrow"),
    "nose": ("nose",),
    "beard": ("beard", "facial hair", "mustache"),
    "skin": ("skin",),
    "clothes": ("clothes", "shirt", "clothing", "sweater", "top", "dress", "clothes of the person"),
    "face": ("face", "face of the person"),
    "person": ("person", "portrait", "woman", "man", "everyone"),
    "head": ("head",),
    "horns": ("horns", "horn"),
    "ears": ("ears", "ear"),
    "body": ("body", "trunk"),
    "legs": ("legs", "leg"),
    "tail": ("tail",),
    "udder": ("udder",),
    "cow": ("cow", "animal"),
    "torso": ("torso", "chest", "upper body", "belly"),
    "arms": ("arms", "arm"),
    "hands": ("hands", "hand"),
    "feet": ("feet", "foot", "shoes"),
    "human": ("person", "human", "figure", "man", "woman"),
    "background": ("background", "backdrop", "everything else"),
}
ARTICLES = ("", "", "the ", "the ", "a ", "her ", "his ")


def known_words() -> tuple[str, ...]:
    """The words of the table of the head, less those that mean nothing by themselves."""
    words = {word for each in WORDS.values() for text in each for word in text.split()}
    return tuple(sorted(words - {"of", "the", "else"}))
