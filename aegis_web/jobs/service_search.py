"""The service functions that the form of a job offers, as somebody looks for one."""

from collections.abc import Iterable
from dataclasses import dataclass

from aegis_web.registry import ServiceFunction

SHOWN = 50  # at once; a word more finds the others
LONGEST_SUMMARY = 140  # characters
WORDS_LIMIT = 200  # characters that are looked for


@dataclass(frozen=True)
class ServiceChoice:
    """One service function as a line to choose."""

    name: str
    title: str
    summary: str  # the first sentence of its documentation; empty where there is none
    category: str


@dataclass(frozen=True)
class ServiceChoices:
    """What fits the words, the best first."""

    words: str
    choices: tuple[ServiceChoice, ...]  # at most `SHOWN`
    found: int
    offered: int  # how many there are at all


def search_services(functions: Iterable[ServiceFunction], words: str) -> ServiceChoices:
    """The functions that have each of `words` in name, title, category or documentation.

    Names and titles come before categories, those before documentation; without words all stand
    by category.
    """
    words = " ".join(words[:WORDS_LIMIT].split())
    offered = sorted(functions, key=lambda found: (found.category.casefold(), by_title(found)))
    ranked = [(rank, found) for found in offered if (rank := rank_of(found, words)) is not None]
    ranked.sort(key=lambda pair: pair[0])
    choices = tuple(choice_of(found) for _, found in ranked[:SHOWN])
    return ServiceChoices(words, choices, len(ranked), len(offered))


def rank_of(found: ServiceFunction, words: str) -> int | None:
    """How far from its name `words` stand, all together; None where one is not there at all."""
    places = [" ".join(texts).casefold() for texts in texts_of(found)]
    ranks = [
        next((rank for rank, text in enumerate(places) if word in text), None)
        for word in words.casefold().split()
    ]
    return None if None in ranks else sum(rank for rank in ranks if rank is not None)


def texts_of(found: ServiceFunction) -> tuple[Iterable[str], ...]:
    """What is looked through, the most telling first."""
    parameters = [text for one in found.parameters for text in (one.name, one.help)]
    return (
        (found.name, found.title, *found.aliases),
        (found.category,),
        (found.help, found.module, *parameters),
    )


def choice_of(found: ServiceFunction) -> ServiceChoice:
    """A service function as a line to choose."""
    return ServiceChoice(found.name, found.title, summary_of(found.help), found.category)


def summary_of(text: str) -> str:
    """The first sentence of a documentation, on one line."""
    first = " ".join(text.partition("\n\n")[0].split())
    sentence, stop, _ = first.partition(". ")
    summary = f"{sentence}." if stop else first
    return summary if len(summary) <= LONGEST_SUMMARY else f"{summary[:LONGEST_SUMMARY]}…"


def by_title(found: ServiceFunction) -> str:
    """What functions of one category are sorted by."""
    return found.title.casefold()
