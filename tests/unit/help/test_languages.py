"""Documents and questions in other languages, and words as they were meant."""

from __future__ import annotations

import pytest

from opsteward.help.chunking import Section
from opsteward.help.corpus import MemoryCorpus
from opsteward.help.indexing import index_texts
from opsteward.help.languages import language_of
from opsteward.help.search import search
from opsteward.help.spelling import corrected
from opsteward.help.vectors import shipped_vectors
from opsteward.help.words import terms

PAGES = {
    "de": "Die Datenbanken werden jede Nacht gesichert. Wiederhergestellt wird mit pg_restore auf dem zweiten Server.",
    "fr": "Les sauvegardes des boîtes aux lettres sont conservées pendant trente jours sur le serveur secondaire.",
    "es": "Las contraseñas de los usuarios se cambian en el portal; caducan después de noventa días.",
    "ru": "Пароли пользователей меняются на портале. Они действуют девяносто дней.",
    "ja": "データベースの復元方法。まずショップを停止し、待機系で復元コマンドを実行します。",
    "en": "The databases are backed up every night. Restoring is done with pg_restore on the standby server.",
    "coffee": "The coffee machine is descaled with vinegar. Ask Grace where the beans are kept.",
}


def corpus() -> MemoryCorpus:
    return MemoryCorpus(index_texts([(name, name, [Section((), "", text)]) for name, text in PAGES.items()]))


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("Wann wird die Datenbank gesichert?", "de"),
        ("Datenbank wiederherstellen mit pg_restore", "de"),
        ("combien de jours est conservée une sauvegarde ?", "fr"),
        ("¿cómo cambia un usuario su contraseña?", "es"),
        ("contraseña caducada", "es"),
        ("как поменять пароль пользователя?", "ru"),
        ("データベースを復元するには", "ja"),
        ("how is a database restored?", "en"),
        ("who knows where the cofee beans are", "coffee"),
        ("descalling the coffee machine with vinegra", "coffee"),
    ],
)
async def test_pages_are_found_in_the_words_of_their_language(question: str, page: str) -> None:
    assert (await search(corpus(), question)).hits[0].chunk.name == page


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("was ist die Ursache der Störung", "german"),
        ("what was the cause", "english"),
        ("who is in the on-call rota", "english"),
        ("pourquoi le serveur ne répond pas", "french"),
        ("ls -l -a -s /dev/sda1", "english"),
        ("int main(int argc, char **argv) { return o + a + e; }", "english"),
        ("", "english"),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("incidnets", "incidents"),
        ("wich", "which"),
        ("acknowleged", "acknowledged"),
        ("yesteday", "yesterday"),
        ("schedual", "schedule"),
        ("incidents", None),
        ("q9x", None),
        ("zzzzzzzzzzzz", None),
        ("x" * 10_000, None),
    ],
)
def test_a_slip_of_the_keys_is_mended(word: str, meant: str | None) -> None:
    vectors = shipped_vectors()
    assert vectors is not None
    wanted = frozenset({"incidents", "which", "acknowledged", "schedule"})
    assert corrected(word, vectors.words, wanted) == meant


def test_signs_of_scripts_without_spaces_are_found_in_pairs() -> None:
    assert terms("復元方法") == ["復元", "元方", "方法"]
    assert terms("PostgreSQLの復元") == ["の復", "復元", "postgresql"]
