"""Pages that do not say in what they are written: by their language, or by their bytes where these are plainly of another script."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import announced, article, charsets

WRITTEN = {
    "cs": "Vláda ve středu schválila návrh zákona, podle kterého se příští rok zvýší daň z příjmu. Ministr řekl, že změna je nutná, "
    "protože rozpočet nestačí na výdaje. Opozice však tvrdí, že to lidem uškodí, a chce se obrátit na soud.",
    "sk": "Vláda v stredu schválila návrh zákona, podľa ktorého sa budúci rok zvýši daň z príjmu. Minister povedal, že zmena je nutná, "
    "pretože rozpočet nestačí na výdavky. Opozícia však tvrdí, že to ľuďom uškodí, a chce sa obrátiť na súd.",
    "hu": "A kormány szerdán elfogadta a törvényjavaslatot, amely szerint jövőre emelkedik az adó. A miniszter szerint a változás "
    "szükséges, mert a költségvetés nem fedezi a kiadásokat. Az ellenzék azt állítja, hogy ez árt az embereknek, és hűvösen fogadta.",
    "pl": "Rząd przyjął w środę projekt ustawy, zgodnie z którą w przyszłym roku wzrośnie podatek. Minister powiedział, że zmiana jest "
    "konieczna, ponieważ budżet nie wystarcza na wydatki. Opozycja twierdzi, że to zaszkodzi ludziom i chce zwrócić się do sądu.",
    "ro": "Guvernul a aprobat miercuri proiectul de lege potrivit căruia anul viitor va creşte impozitul. Ministrul a spus că schimbarea "
    "este necesară, pentru că bugetul nu ajunge. Opoziţia susţine însă că aceasta va dăuna oamenilor şi vrea să meargă în instanţă.",
    "fr": "Le gouvernement a adopté mercredi le projet de loi selon lequel l'impôt augmentera l'année prochaine. Le ministre a déclaré "
    "que la réforme était nécessaire, car le budget de l'État ne suffit pas. L’opposition s'y est opposée, là où elle l'a pu.",
    "es": "El Gobierno aprobó el miércoles el proyecto de ley según el cual el próximo año subirá el impuesto. El ministro afirmó que el "
    "cambio es necesario porque el presupuesto no alcanza. La oposición sostiene que dañará a los ciudadanos, según señaló.",
    "pt": "O governo aprovou na quarta-feira o projeto de lei segundo o qual o imposto aumentará no próximo ano. O ministro disse que a "
    "mudança é necessária porque o orçamento não é suficiente. A oposição afirma que isso prejudicará a população; não há solução.",
    "de": "Die Regierung hat am Mittwoch den Gesetzentwurf gebilligt, nach dem die Steuer im nächsten Jahr steigen soll. Der Minister "
    "erklärte, die Änderung sei nötig, weil der Haushalt nicht ausreiche. Die Opposition hält dagegen, dass dies den Menschen schade.",
    "sv": "Regeringen godkände på onsdagen lagförslaget enligt vilket skatten höjs nästa år. Ministern sade att ändringen är nödvändig, "
    "eftersom budgeten inte räcker till. Oppositionen hävdar att det skadar människor och vill gå till domstol.",
    "tr": "Hükümet çarşamba günü, gelecek yıl vergilerin artırılmasını öngören yasa tasarısını onayladı. Bakan, bütçenin yetmediği için "
    "değişikliğin gerekli olduğunu söyledi. Muhalefet ise bunun insanlara zarar vereceğini savunuyor.",
    "lt": "Vyriausybė trečiadienį pritarė įstatymo projektui, pagal kurį kitais metais didės mokestis. Ministras sakė, kad pakeitimas yra "
    "būtinas, nes biudžeto neužtenka. Opozicija tvirtina, kad tai pakenks žmonėms, ir ketina kreiptis į teismą.",
    "ru": "Правительство в среду одобрило законопроект, согласно которому в следующем году вырастет налог. Министр заявил, что изменение "
    "необходимо, так как бюджета не хватает на расходы. Оппозиция утверждает, что это навредит людям, и намерена обратиться в суд.",
    "bg": "Правителството одобри в сряда законопроекта, според който догодина данъкът ще се увеличи. Министърът заяви, че промяната е "
    "необходима, защото бюджетът не достига. Опозицията твърди, че това ще навреди на хората.",
    "el": "Η κυβέρνηση ενέκρινε την Τετάρτη το νομοσχέδιο σύμφωνα με το οποίο θα αυξηθεί ο φόρος το επόμενο έτος. Ο υπουργός δήλωσε ότι η "
    "αλλαγή είναι αναγκαία, γιατί ο προϋπολογισμός δεν επαρκεί. Η αντιπολίτευση υποστηρίζει ότι αυτό θα βλάψει τους ανθρώπους.",
    "ja": "政府は水曜日、来年から所得税を引き上げる法案を承認した。大臣は、国の予算が支出に足りないため変更が必要だと述べた。"
    "一方、野党は国民に害を及ぼすと主張し、裁判所に訴える構えだ。",
    "zh": "政府周三批准了一项法案，根据该法案，明年所得税将提高。部长表示，由于国家预算不足以支付开支，因此必须作出改变。"
    "反对派则声称这将损害人民，并打算向法院提起诉讼。",
    "zh-tw": "政府週三批准了一項法案，根據該法案，明年所得稅將提高。部長表示，由於國家預算不足以支付開支，因此必須作出改變。"
    "反對派則聲稱這將損害人民，並打算向法院提起訴訟。",
    "ko": "정부는 수요일 내년부터 소득세를 인상하는 법안을 승인했다. 장관은 국가 예산이 지출에 충분하지 않기 때문에 변화가 "
    "필요하다고 말했다. 그러나 야당은 이것이 국민에게 해를 끼칠 것이라고 주장하며 법원에 제소할 방침이다.",
}
CASES = [
    *((language, codec) for language in ("cs", "sk", "hu", "pl", "ro") for codec in ("cp1250", "iso8859_2")),
    *((language, "cp1252") for language in ("fr", "es", "pt", "de", "sv")),
    ("tr", "cp1254"),
    ("lt", "cp1257"),
    *(("ru", codec) for codec in ("cp1251", "koi8_r", "iso8859_5", "cp866")),
    ("bg", "cp1251"),
    ("el", "cp1253"),
    ("el", "iso8859_7"),
    *(("ja", codec) for codec in ("cp932", "euc_jp")),
    ("zh", "gb18030"),
    ("zh-tw", "big5hkscs"),
    ("ko", "cp949"),
]
# The words of these say it, whatever the feed does.
PLAIN = [case for case in CASES if case[0] not in ("sk", "tr")]


def _page(language: str, codec: str, times: int = 1, lang: str = "") -> bytes:
    menu = "<ul><li><a href='/'>Home</a></li><li><a href='/news'>News</a></li></ul><script>var tracked = true;</script>"
    body = f"<p>{WRITTEN[language]}</p>" * times
    return f"<html{lang}><head><title>T</title></head><body>{menu}<article>{body}</article></body></html>".encode(codec)


@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize(("language", "codec"), CASES)
def test_a_page_without_a_charset_is_read_by_the_language_of_its_feed(language: str, codec: str, times: int) -> None:
    assert WRITTEN[language] in charsets.decode(_page(language, codec, times), "text/html", language)


@pytest.mark.parametrize(("language", "codec"), CASES)
def test_the_language_that_the_page_tells_serves_as_well(language: str, codec: str) -> None:
    assert WRITTEN[language] in charsets.decode(_page(language, codec, lang=f" class=a lang='{language}'"), "text/html")


@pytest.mark.parametrize("told", [None, "en", "en-us"])
@pytest.mark.parametrize(("language", "codec"), PLAIN)
def test_where_nothing_or_something_else_is_told_the_page_is_read_by_its_words_and_bytes(
    language: str, codec: str, told: str | None
) -> None:
    assert WRITTEN[language] in charsets.decode(_page(language, codec), "text/html", told)


@pytest.mark.parametrize(
    "text",
    [
        "“So”—he said. Café, naïve, Señor López; 20 £ or 30 €, at 25 °C. And that is all that there is of it for the time being.",
        "Ärzte",
        "»Ööö«",
        "• “Yes” – ‘no’ …",
    ],
)
def test_a_few_signs_are_western_as_browsers_have_it(text: str) -> None:
    page = f"<html><body><p>{text}</p></body></html>".encode("cp1252")

    assert text in charsets.decode(page, None)


def test_a_large_page_with_few_letters_outside_ascii_is_not_read_as_utf_8_with_holes() -> None:
    page = f"<html><body><p>Â© Señor López</p>{'<p>Nothing of the kind. </p>' * 200}</body></html>".encode("cp1252")

    assert "Señor López" in charsets.decode(page, None)


def test_utf_8_with_a_cut_byte_stays_utf_8() -> None:
    page = f"<html><body><p>{WRITTEN['ru']}</p></body></html>".encode()
    cut = page.replace("В".encode(), "В".encode()[:1], 1).replace("р".encode(), "р".encode()[:1], 1)

    assert WRITTEN["ru"][40:] in charsets.decode(cut, None, "ru")


@pytest.mark.parametrize("piece", [b"<script>\xe9", b"<", b"<a \xe9", b"\xe9", b"<html lang=", b"\xe9\xe9 "])
def test_no_page_takes_long(piece: bytes) -> None:
    began = time.process_time()

    charsets.decode(piece * (4_000_000 // len(piece)), None)

    assert time.process_time() - began < 5


def test_the_feed_of_an_article_tells_how_its_page_is_read() -> None:
    page = _page("sk", "cp1250", 9)

    read = article.read(page, "https://news.example/a", "text/html", feed=announced.Announced(language="sk"))

    assert WRITTEN["sk"] in read.text


@given(st.binary(max_size=400), st.sampled_from([None, "cs", "ru", "ja", "x", ""]))
def test_whatever_a_page_holds_becomes_a_text(page: bytes, language: str | None) -> None:
    assert isinstance(charsets.decode(page, "text/html", language), str)
