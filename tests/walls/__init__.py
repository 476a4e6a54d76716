"""Pages that come in the place of articles, whole and as real ones look, but of papers that there are not; and articles that resemble them."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, what the feed announced in its place, and the beginning of the reason that is to be given (none for an article)."""

    name: str
    html: str
    title: str
    summary: str = ""
    language: str | None = None
    url: str = "https://news.example/2025/09/18/the-story-of-the-day"
    said: str = ""
    state: str = "ok"
    media: str = "text/html; charset=utf-8"


# The title and summary of an entry in each language, and the chrome of the paper that it is from.
FEEDS = {
    "en": ("Council votes to close the old river bridge", "Engineers found cracks in two piers; buses will take another way from Monday."),
    "de": ("Stadtrat beschließt Sperrung der alten Flussbrücke", "Gutachter fanden Risse in zwei Pfeilern, Busse fahren ab Montag eine Umleitung."),
    "fr": ("Le conseil municipal ferme le vieux pont sur la rivière", "Des fissures ont été trouvées dans deux piles, les bus seront déviés."),
    "es": ("El ayuntamiento cierra el viejo puente sobre el río", "Los ingenieros hallaron grietas en dos pilares; los autobuses cambian de ruta."),
    "it": ("Il comune chiude il vecchio ponte sul fiume", "Trovate crepe in due piloni, da lunedì gli autobus cambiano percorso."),
    "pt": ("Câmara decide fechar a velha ponte sobre o rio", "Engenheiros encontraram fissuras em dois pilares e os autocarros mudam de percurso."),
    "nl": ("Gemeenteraad besluit oude rivierbrug te sluiten", "Ingenieurs vonden scheuren in twee pijlers; bussen rijden vanaf maandag om."),
    "pl": ("Rada miasta zamyka stary most na rzece", "Inżynierowie znaleźli pęknięcia w dwóch filarach, autobusy pojadą objazdem."),
    "ja": ("市議会、老朽化した橋の閉鎖を決定", "技術者が二本の橋脚に亀裂を発見し、月曜からバスは迂回する。"),
    "zh": ("市议会决定关闭河上老桥", "工程师在两个桥墩上发现裂缝,公交车周一起绕行。"),
    "ar": ("المجلس البلدي يقرر إغلاق الجسر القديم فوق النهر", "وجد المهندسون شقوقا في دعامتين وستغير الحافلات مسارها يوم الاثنين."),
    "ru": ("Городской совет решил закрыть старый мост через реку", "Инженеры нашли трещины в двух опорах, автобусы пойдут в объезд."),
    "tr": ("Belediye meclisi eski nehir köprüsünü kapatma kararı aldı", "Mühendisler iki ayakta çatlak buldu; otobüsler pazartesiden itibaren başka yoldan gidecek."),
    "sv": ("Kommunen beslutar stänga den gamla älvbron", "Ingenjörer fann sprickor i två pelare och bussarna leds om från måndag."),
}  # fmt: skip
_NAV = {
    "en": "Home World Politics Business Sport Culture Weather Subscribe Log in",
    "de": "Startseite Politik Wirtschaft Sport Kultur Wetter Abo Anmelden",
    "fr": "Accueil Monde Politique Économie Sport Culture Météo Abonnement Connexion",
    "es": "Portada Mundo Política Economía Deportes Cultura Suscríbete Entrar",
    "it": "Home Mondo Politica Economia Sport Cultura Meteo Abbonati Accedi",
    "pt": "Início Mundo Política Economia Desporto Cultura Assinar Entrar",
    "nl": "Voorpagina Wereld Politiek Economie Sport Cultuur Weer Inloggen",
    "pl": "Strona Świat Polityka Gospodarka Sport Kultura Pogoda Zaloguj",
    "ja": "トップ 国際 政治 経済 スポーツ 文化 天気 ログイン",
    "zh": "首页 国际 政治 财经 体育 文化 天气 登录",
    "ar": "الرئيسية العالم سياسة اقتصاد رياضة ثقافة الطقس دخول",
    "ru": "Главная Мир Политика Экономика Спорт Культура Погода Войти",
    "tr": "Anasayfa Dünya Siyaset Ekonomi Spor Kültür Hava Giriş",
    "sv": "Hem Världen Politik Ekonomi Sport Kultur Väder Logga-in",
}


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def document(
    title: str, body: str, *, head: str = "", lang: str = "en", paper: str = "The Valley Ledger", chrome: bool = True
) -> str:
    """A whole page of a paper, with its navigation and footer around `body`."""
    links = "".join(f'<li><a href="/{n}">{word}</a></li>' for n, word in enumerate(_NAV.get(lang, _NAV["en"]).split()))
    header = f'<header class="site-header"><a class="logo" href="/">{paper}</a><nav><ul>{links}</ul></nav></header>'
    footer = f'<footer class="site-footer"><ul>{links}</ul><p>© 2025 {paper}. All rights reserved.</p></footer>'
    around = (header, footer) if chrome else ("", "")
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/a.css">{head}<script>window.dataLayer=window.dataLayer||[];</script></head>'
        f'<body class="page">{around[0]}{body}{around[1]}<script src="/bundle.js" defer></script></body></html>'
    )


def wall(name: str, lang: str, said: str, html: str, *, state: str = "blocked", url: str = "", media: str = "") -> Page:
    """A page of the kind `name` that came in the place of what the feed of that language announced."""
    title, summary = FEEDS[lang]
    told = {"url": url} if url else {}
    told |= {"media": media} if media else {}
    return Page(
        name=f"{name} ({lang})", html=html, title=title, summary=summary, language=lang, said=said, state=state, **told
    )


def teasers(*texts: tuple[str, str]) -> str:
    """Cards that lead to other stories, each a headline and a lead."""
    return "".join(
        f'<div class="card"><h3><a href="/2025/09/{n}/x">{title}</a></h3><p>{lead}</p></div>'
        for n, (title, lead) in enumerate(texts, 1)
    )
