"""Walls that were written last: most of them keep the story's title, speak of themselves in other words, or in languages that no other set has."""

from tests.walls import FEEDS, Page, document, paragraphs, wall
from tests.walls.first import AGE, CONSENT, DENIED, LOGIN, MISSING, OTHER, PAUSED, PAYWALL, RATE, ROBOT, SCRIPT, SERVER

_T = {lang: told[0] for lang, told in FEEDS.items()}


def _meta(lang: str) -> str:
    """What the head of the story's own page says."""
    return (
        f'<meta property="og:type" content="article"><meta property="og:title" content="{_T[lang]}"><meta name="description" content="{FEEDS[lang][1]}">'
        '<meta property="article:published_time" content="2025-09-18T19:00:00+02:00">'
    )


WALLS: list[Page] = [
    wall("consent under the story's title", "en", CONSENT, document(
        f"{_T['en']} - Shoreline Post", "<main class='interstitial'><h2>Hi! Before you read on</h2>" + paragraphs(
            "Journalism costs money, and advertising pays for most of ours. To show it we and carefully chosen companies keep small files, called cookies, on your phone or computer, and read them when you come back.",
            "You decide: agree to all of it, or choose purpose by purpose. Cookies that the site cannot do without are always set.") + "<button>Fine by me</button><button>Let me choose</button></main>", head=_meta("en"), paper="Shoreline Post")),
    wall("consent under the story's title", "de", CONSENT, document(
        f"{_T['de']} | Küstenblatt", "<div role='dialog' aria-modal='true'><p><strong>Journalismus gibt es nicht umsonst.</strong></p>" + paragraphs(
            "Damit Sie unsere Seiten kostenlos lesen können, setzen wir zusammen mit Werbefirmen Cookies und ähnliche Techniken ein. Mit einem Klick auf „In Ordnung“ erlauben Sie das.", "Welche Cookies das sind, steht in unseren Hinweisen.") + "<button>In Ordnung</button></div>", head=_meta("de"), lang="de", paper="Küstenblatt")),
    wall("consent", "pt", CONSENT, document(
        "Jornal da Costa", "<section class='lgpd'><h2>A sua privacidade é importante</h2>" + paragraphs("Guardamos cookies no seu dispositivo para medir visitas e mostrar anúncios. Escolha que cookies quer permitir antes de prosseguir para a notícia.") + "<button>Permitir todos</button><button>Só os necessários</button></section>", lang="pt", paper="Jornal da Costa")),
    wall("consent", "sv", CONSENT, document(
        _T["sv"], "<div class='samtycke'><h2>Du bestämmer över dina uppgifter</h2><p>Vi och våra annonspartner lagrar kakor (cookies) i din webbläsare för statistik och anpassade annonser. Klicka på Jag godkänner för att gå vidare. Nödvändiga cookies används alltid.</p><button>Jag godkänner</button></div>", head=_meta("sv"), lang="sv", paper="Kustbladet")),
    wall("trial offer in the middle", "en", PAYWALL, document(
        f"{_T['en']} - Shoreline Post", f"<main><article><h1>{_T['en']}</h1>" + paragraphs(FEEDS["en"][1] + " The council voted on Thursday evening, after a debate of four hours.") +
        "<div class='c-offer'><h3>The story goes on for readers who support us</h3><p>Unlimited reading for $2 a month with a Shoreline subscription. Stop whenever you wish.</p><button>Start now</button></div></article></main>", head=_meta("en"), paper="Shoreline Post"), state="paywalled"),
    wall("blurred rest", "fr", PAYWALL, document(
        _T["fr"], f"<main><article><h1>{_T['fr']}</h1><p>{FEEDS['fr'][1]}</p><div class='blur'><p>Lorem ipsum dolor sit amet.</p></div><aside class='abo-teaser'><p>Profitez de la lecture intégrale avec notre abonnement numérique, à partir de 2,99 € par mois.</p></aside></article></main>", head=_meta("fr"), lang="fr", paper="Le Rivage"), state="paywalled"),
    wall("gesperrt", "de", PAYWALL, document(
        _T["de"], f"<main><article><h1>{_T['de']}</h1><p>{FEEDS['de'][1]} Der Beschluss fiel am Donnerstagabend.</p><div class='k-plus'><p>Sie möchten den ganzen Text lesen? Das geht mit Küstenblatt plus, vier Wochen für 1 €, danach monatlich kündbar. Sie sind Abonnent? Einloggen</p></div></article></main>", head=_meta("de"), lang="de", paper="Küstenblatt"), state="paywalled"),
    wall("абонемент", "ru", PAYWALL, document(
        _T["ru"], f"<main><article><h1>{_T['ru']}</h1><p>{FEEDS['ru'][1]}</p><p>Чтобы прочитать статью полностью, оформите абонемент за 199 руб. в месяц. Уже есть подписка? Войдите в личный кабинет.</p></article></main>", head=_meta("ru"), lang="ru", paper="Береговой листок"), state="paywalled"),
    wall("abonelik", "tr", PAYWALL, document(
        _T["tr"], f"<main><article><h1>{_T['tr']}</h1><p>{FEEDS['tr'][1]}</p><div class='content-lock'><p>Haberin devamını okumak için abone olun. İlk ay 9 ₺. Abone misiniz? Giriş yapın.</p></div></article></main>", head=_meta("tr"), lang="tr", paper="Sahil Postası"), state="paywalled"),
    wall("account", "nl", LOGIN, document(
        _T["nl"], f"<main><article><h1>{_T['nl']}</h1><p>{FEEDS['nl'][1]}</p><div class='login-prompt'><h3>Gratis verder lezen?</h3><p>Maak een account aan of log in. Het kost niets en duurt een halve minuut.</p><button>Account aanmaken</button></div></article></main>", head=_meta("nl"), lang="nl", paper="Kustcourant")),
    wall("account of a group", "it", LOGIN, document(
        "Area riservata", "<main><h1>Area riservata</h1><form method='post'><label>Nome utente<input name='user'></label><label>Parola chiave<input type='password' name='pass'></label><button>Prosegui</button></form><p>Problemi con le credenziali? Scrivi alla redazione.</p></main>", lang="it", paper="La Costa")),
    wall("drag the piece", "zh", ROBOT, document("访问验证", '<div class="nc-container"><p>亲,请拖动下方滑块完成验证</p><p>通过验证以确保正常访问</p></div>', lang="zh", chrome=False)),
    wall("pick the pictures", "ru", ROBOT, document("Проверка", '<main><h1>Нам нужно убедиться, что запросы отправляли вы, а не программа</h1><p>К сожалению, запросы с вашего устройства похожи на автоматические. Нажмите на кнопку ниже.</p><form action="/showcaptcha"><button>Я человек</button></form></main>', lang="ru", chrome=False)),
    wall("press and hold", "es", ROBOT, document("El Litoral", '<main><div id="px-captcha"></div><h1>Mantén pulsado el botón</h1><p>Así sabremos que no eres una máquina.</p></main>', lang="es", chrome=False)),
    wall("proxies are not welcome", "en", DENIED, document("Shoreline Post", "<main><h1>Your connection is not allowed</h1><p>Requests from data centres and anonymous networks are turned away here. If you are a reader at home, switch your VPN off and reload.</p></main>", chrome=False)),
    wall("shell with the story's head", "en", SCRIPT, document(_T["en"], '<div id="app-root"></div>', head=_meta("en"), chrome=False)),
    wall("too fast", "it", RATE, document("Rallenta", "<main><h1>Hai aperto troppe pagine</h1><p>Dal tuo indirizzo arrivano troppe richieste al minuto. Riprova più tardi.</p></main>", lang="it", chrome=False)),
    wall("Altersfreigabe", "de", AGE, document(_T["de"], "<main><div class='agecheck'><h2>Diese Seite ist für Erwachsene</h2><p>Bitte geben Sie an, dass Sie über 18 Jahre alt sind, um den Beitrag zu sehen.</p><button>Ich bin volljährig</button></div></main>", head=_meta("de"), lang="de", paper="Küstenblatt")),
    wall("gone", "fr", MISSING, document("Le Rivage", "<main><h1>Ce contenu a disparu</h1><p>L’adresse demandée ne correspond à aucun article de notre site. Il a peut-être été retiré, ou le lien que vous avez suivi est incomplet.</p></main>", lang="fr", paper="Le Rivage"), state="failed"),
    wall("finns ikke", "sv", MISSING, document("Hoppsan!", "<main><h1>Här fanns det ingenting</h1><p>Artikeln kan ha flyttats eller avpublicerats av redaktionen. Pröva att söka i stället.</p></main>", lang="sv", paper="Kustbladet"), state="failed"),
    wall("an error with a number", "pl", SERVER, document("Błąd 500", "<main><h1>Coś poszło nie tak</h1><p>Nasz serwer nie potrafił przygotować tej strony. Informatycy już o tym wiedzą. Odśwież stronę za chwilę.</p></main>", lang="pl", chrome=False), state="failed"),
    wall("we move", "en", PAUSED, document("Shoreline Post", "<main><h1>Back in a moment</h1><p>We are moving our pages to new machines tonight. Everything will be here again at six in the morning.</p></main>", chrome=False), state="failed"),
    wall("live score in the place of the story", "es", OTHER, document("Marcador en directo | El Litoral", "<main><h1>Marcador en directo</h1><table><tr><td>Atlético Costa</td><td>2</td></tr><tr><td>Deportivo Monte</td><td>1</td></tr></table><p>Los marcadores se actualizan cada treinta segundos durante los partidos de la jornada y muestran las tarjetas y los cambios.</p></main>", lang="es", paper="El Litoral"), state="failed"),
    wall("another language", "pl", "the page", document("About the Shoreline Group", "<main><h1>About the Shoreline Group</h1>" + paragraphs(
        "The group publishes eleven newspapers on three coasts, and prints them in two halls. It was founded by a fisherman who could not find out when the market opened.",
        "Its shares are held by its readers, who meet once a year in a tent on the beach and elect a board of nine.") + "</main>", lang="en"), state="failed"),
]  # fmt: skip
