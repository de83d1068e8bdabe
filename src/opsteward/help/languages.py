"""In which language a text is, by its most frequent words; and the stems of its words."""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from functools import cache, lru_cache
from typing import Any

ENGLISH = "english"

_SAYING_NOTHING = {
    ENGLISH: """
    a an and any are as at be been being but by can could did do does doing for from had has have having he
    her his how i if in into is it its itself just me my of on or our she should so some such than that the
    their them then there these they this those to too us was we were what when where which while who whom
    why will with would you your shall may might must about also am not no please tell show give""",
    "german": """
    der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine ist sind war
    waren wird werden wurde wurden hat haben kann können muss müssen soll sollen darf ich du er sie es wir
    ihr mein meine unser unsere sich mich mir uns man mit von vom zu zum zur in im ins auf aus an am bei
    beim nach vor für über unter durch ohne um als wie was wer wen wem wo wann warum wieso welche welcher
    welches welchen wenn ob dass auch nur noch schon so hier dort dann denn bitte gibt""",
    "french": """
    le la les un une des du de et ou mais ne pas est sont était être a ont avoir peut doit je tu il elle on
    nous vous ils elles mon ma mes notre nos votre vos son sa ses leur leurs ce cet cette ces se en dans sur
    sous pour par avec sans au aux que qui quoi quel quelle quels quelles comment où quand pourquoi si plus
    comme aussi faire fait y d l c qu j n s""",
    "spanish": """
    el la los las un una unos unas de del y o pero no es son era ser está están estar ha han haber hay puede
    puedo debe yo tú él ella nosotros ustedes ellos mi mis su sus nuestro nuestra este esta estos estas ese
    esa se me te nos lo le les en a al con sin por para sobre entre que qué quién quien cuál cuáles cómo
    dónde cuándo cuánto como si más también muy hacer""",
    "italian": """
    il lo la i gli le un uno una di del dello della dei degli delle e o ma non è sono era essere ha hanno
    avere può posso deve io tu lui lei noi voi loro mio mia suo sua nostro nostra questo questa questi
    queste si mi ti ci in nel nella nei nelle a al allo alla ai alle da dal dalla con senza per su sul sulla
    tra che chi cosa come dove quando perché quale quali quanto se più anche fare""",
    "portuguese": """
    o a os as um uma uns umas de do da dos das e ou mas não é são era ser está estão estar há tem ter pode
    posso deve eu tu ele ela nós você vocês eles meu minha seu sua nosso nossa este esta esse essa isto isso
    se me nos lhe em no na nos nas ao à aos às com sem por para pelo pela sobre entre que quem qual quais
    como onde quando porquê quanto mais também muito fazer""",
    "dutch": """
    de het een en of maar niet geen is zijn was waren wordt worden werd heeft hebben kan kunnen moet moeten
    mag ik jij je u hij zij ze wij we jullie mijn onze ons zich mij met van voor naar op in uit aan bij door
    over onder om te als hoe wat wie waar wanneer waarom welke welk dat die dit deze ook nog dan er zo""",
    "swedish": """
    en ett den det de och eller men inte är var vara har hade kan kunde måste ska jag du han hon vi ni min
    mitt vår vårt sin sitt sig mig med av för från till på i ur vid om hur vad vem var när varför vilken
    vilket vilka som att också bara så här där då""",
    "russian": """
    и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот
    от меня еще нет о из ему когда даже ну ли если уже или быть был до вас это эта этот для кто где почему
    какой какая какие можно нужно при чтобы""",
}
STOP_WORDS = {language: frozenset(words.split()) for language, words in _SAYING_NOTHING.items()}
LANGUAGES = tuple(STOP_WORDS)
_SAMPLE = 3_000  # characters of a text that tell its language
_SHARE = 0.05  # of all words, below which frequent words of a language tell nothing
_WORD = re.compile(r"[^\W\d_]+")
_PLAIN = re.compile(r"[a-z]+")
_SHORTEST_STEMMED = 4  # letters
_lock = threading.Lock()  # a stemmer is no stemmer for two at once


def language_of(text: str) -> str:
    """The language that most of its frequent words are of; English where none is ahead."""
    words = [word.lower() for word in _WORD.findall(text[:_SAMPLE])]
    found = Counter(language for word in words for language in _languages().get(word, ()))
    best = max(found, key=lambda language: found[language], default=ENGLISH)
    return best if found[best] > max(found[ENGLISH], _SHARE * len(words)) else ENGLISH


@cache
def _languages() -> dict[str, list[str]]:
    """Those that have a word among their most frequent ones. Single letters stand in too many things."""
    found = defaultdict(list)
    for language, words in STOP_WORDS.items():
        for word in words:
            if len(word) > 1:
                found[word].append(language)
    return dict(found)


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(language)


@lru_cache(maxsize=200_000)
def stem(word: str, language: str = ENGLISH) -> str:
    """The stem of a word in small letters."""
    if len(word) < _SHORTEST_STEMMED or not (_PLAIN.fullmatch(word) or (language != ENGLISH and word.isalpha())):
        return word
    with _lock:
        return str(_stemmer(language).stemWord(word))
