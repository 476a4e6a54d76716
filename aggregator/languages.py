"""The language of a text from its letters and its commonest words. For pages and feeds that do not say; None where it is not plain."""

import re
from collections import Counter

_SAMPLE = 2000
_WORD = re.compile(r"[^\W\d_]+")
# The script tells the language where it is written in no other, or in few: Han without kana is Chinese.
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("my", re.compile("[\u1000-\u109f]")),
    ("km", re.compile("[\u1780-\u17ff]")),
    ("lo", re.compile("[\u0e80-\u0eff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ka", re.compile("[\u10a0-\u10ff]")),
    ("hy", re.compile("[\u0530-\u058f]")),
    ("ta", re.compile("[\u0b80-\u0bff]")),
    ("te", re.compile("[\u0c00-\u0c7f]")),
    ("bn", re.compile("[\u0980-\u09ff]")),
)
_OTHERS = re.compile("[\u0370-\u1fff\u2e80-\U0010ffff]")
# One in six characters: names in another script are fewer; kana are more than that in any Japanese.
_SCRIPT_SHARE = 1 / 6
# Words that are common in the language and, all together, in no other of these.
_COMMON = {
    "en": "the of and to in is that for it with as was on are by this be at from have has not they which",
    "de": "der die und das den von ist mit zu des auf für im dem nicht ein eine sich auch als wird aus",
    "fr": "le la les des et est dans du une que pour qui sur pas plus par au avec ce sont il cette",
    "es": "el la de que los las en del una por con para se es lo como más su al pero fue este",
    "it": "il di che la della per non una sono con del gli nel alla dei più anche delle è si come ha",
    "pt": "o a que do da em os no não uma para com dos na por mais as foi ao pelo são também",
    "nl": "de het een van en dat op te zijn voor met niet aan er om ook als bij door maar naar werd",
    "sv": "och att det som är en på för av med till inte har den om ett var från kan också men",
    "da": "og at det er en på for af med til ikke har den der som et var fra kan også men blev",
    "no": "og at det er en på for av med til ikke har den som et var fra kan også men ble etter",
    "fi": "ja on ei että se oli hän mutta kun ovat myös joka mukaan kuin niin ole sen jos vain tai",
    "pl": "w i na z się nie do że jest to o jak po od przez ale jego za co dla tym są",
    "cs": "a se v na je že s z do i o k by pro ale jako za po jsou byl tak od které",
    "hu": "a az és hogy nem is egy van volt de meg csak már ez ha mint vagy azt kell lesz szerint",
    "ro": "și de în la a cu că nu pe o un este care din mai pentru au fost sau dar prin al",
    "tr": "ve bir bu da de için ile olarak çok daha olan gibi kadar sonra ne var değil en ise göre",
    "vi": "và của là có cho không được trong với các một người những đã khi này từ đến cũng như",
    "id": "yang dan di dari untuk dengan ini itu pada dalam tidak akan ke oleh adalah juga telah karena sebagai",
    "lv": "un ir ka no ar par uz kas bet gan tas kā vai arī lai tika pēc nav tiek pie",
    "lt": "ir kad yra su iš tai į bet kaip apie buvo už dėl po taip ar nuo jau nėra jis",
    "ru": "и в не на что с по как это он за из но был для от его мы к так у же",
    "uk": "і в не на що з та як це він за до але був для від його ми у про є які",
    "bg": "и на да се не за от в е с че са по като но си или това ще до към",
    "ar": "في من على إلى أن عن التي مع هذا هذه الذي بين كان لم ما بعد قد لا ذلك",
    "fa": "و در به از که این را با است برای آن یک خود تا شد می بر هم نیز",
    "hi": "के है में की और से का को पर ने हैं कि यह भी नहीं एक इस था गया",
}
COMMON = {language: frozenset(words.split()) for language, words in _COMMON.items()}
# One in ten words at least, and clearly more than of the next language; of so few words nothing is said.
_LEAST_WORDS, _LEAST_SHARE, _AHEAD = 20, 0.1, 1.15


def guess(text: str) -> str | None:
    """The ISO 639-1 code of the language of `text`."""
    sample = text[:_SAMPLE]
    # All that is written in Latin letters, with whatever marks, has no character of these scripts.
    if not sample.isascii() and _OTHERS.search(sample):
        letters = sum(map(len, _WORD.findall(sample)))
        for language, script in _SCRIPTS:
            if letters and len(script.findall(sample)) > _SCRIPT_SHARE * letters:
                return language
    words = Counter(_WORD.findall(sample.lower()))
    if words.total() < _LEAST_WORDS:
        return None
    found = sorted(
        ((sum(words[word] for word in common & words.keys()), language) for language, common in COMMON.items()),
        reverse=True,
    )
    (most, language), (next_most, _) = found[:2]
    return language if most >= _LEAST_SHARE * words.total() and most >= _AHEAD * next_most else None
