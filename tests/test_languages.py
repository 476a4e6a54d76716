"""The language of texts that do not say it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import languages

TEXTS = {
    "en": (
        "The river that runs through the valley rose for the third time this year, and it is not the last "
        "flood that the people of the town have to expect."
    ),
    "de": (
        "Der Fluss ist zum dritten Mal in diesem Jahr über die Ufer getreten, und es wird nicht das letzte "
        "Mal sein, dass die Menschen der Stadt sich auf ein Hochwasser einstellen."
    ),
    "fr": (
        "La rivière qui traverse la vallée est sortie de son lit pour la troisième fois cette année, et ce ne"
        " sera pas la dernière crue que les habitants devront attendre."
    ),
    "es": (
        "El río que cruza el valle se desbordó por tercera vez este año, y no será la última inundación que "
        "los habitantes de la ciudad tengan que esperar."
    ),
    "pt": (
        "O rio que atravessa o vale transbordou pela terceira vez este ano, e não será a última cheia que os "
        "habitantes da cidade têm de esperar, como foi dito."
    ),
    "it": (
        "Il fiume che attraversa la valle è uscito dal suo letto per la terza volta quest'anno, e non sarà "
        "l'ultima piena che gli abitanti della città devono aspettarsi."
    ),
    "nl": (
        "De rivier die door het dal stroomt is dit jaar voor de derde keer buiten haar oevers getreden, en "
        "het is niet de laatste keer dat de stad met een vloed te maken heeft."
    ),
    "pl": (
        "Rzeka po raz trzeci w tym roku wylała w dolinie i nie jest to ostatnia powódź, na którą muszą się "
        "przygotować mieszkańcy, jak mówi burmistrz, ale po to są wały."
    ),
    "ru": (
        "Река в долине вышла из берегов в третий раз за год, и это не последний паводок, как говорят в "
        "городе, но он был самым большим за последние годы."
    ),
    "uk": (
        "Річка у долині вийшла з берегів утретє за рік, і це не останній паводок, як кажуть у місті, але він "
        "був найбільшим за останні роки та для людей, що там живуть."
    ),
    "zh": "河谷里的河水今年第三次漫过河堤，镇上的人们说这不会是最后一次洪水。",
    "ja": "谷を流れる川が今年三度目の氾濫を起こし、町の人々はこれが最後ではないと話している。",
    "ko": "계곡을 흐르는 강이 올해 세 번째로 범람했으며 마을 사람들은 이것이 마지막이 아니라고 말한다.",
    "ar": (
        "فاض النهر الذي يمر في الوادي للمرة الثالثة هذا العام، ولا يعتقد أحد في المدينة أن هذا هو الفيضان "
        "الأخير الذي على الناس أن ينتظروه من بعد ذلك."
    ),
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_shows_its_language(language: str) -> None:
    assert languages.guess(TEXTS[language]) == language


@pytest.mark.parametrize("text", ["", "Ok.", "1 2 3 4", "x" * 3000, "NASA ESA CNES DLR JAXA " * 10])
def test_what_is_too_short_or_no_language_is_not_guessed(text: str) -> None:
    assert languages.guess(text) is None


def test_a_name_in_another_script_does_not_make_the_text_foreign() -> None:
    assert languages.guess(TEXTS["en"] + " (東京)") == "en"


@given(st.text(max_size=400))
def test_any_text_has_a_language_or_none(text: str) -> None:
    found = languages.guess(text)

    assert found is None or found in TEXTS or len(found) == 2
