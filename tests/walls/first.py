"""The walls that the gate's rules were made with."""

from tests.walls import FEEDS, Page, document, paragraphs, teasers, wall

ROBOT, SCRIPT = "the page asks to prove that we are no robot", "the page needs JavaScript"
DENIED, CONSENT, LOGIN = "the page refuses access", "the page asks for consent to cookies", "the page asks to log in"
PAYWALL, REGION, AGE = (
    "the page asks for a subscription",
    "the page is not shown in our region",
    "the page asks for our age",
)
MAIL, APP, BROWSER = (
    "the page asks for an e-mail address",
    "the page wants to be read in an app",
    "the page refuses our browser",
)
RATE, MISSING, SERVER = (
    "the page says that too many requests were made",
    "the page says that there is no such article",
    "the page shows an error of its server",
)
PAUSED, PARKED = "the page says that its site is being maintained", "the page is that of a parked domain"
SUSPENDED, DEFAULT = "the page says that its site was suspended", "the page is the default page of a web server"
FILES, LIST, OTHER, ONWARD = (
    "the page is a list of files",
    "the page is a list of other articles",
    "the page shows something else than its feed announced",
    "the page only leads on to another address",
)

_PARTNERS = (
    "We and our 842 partners store and/or access information on a device, such as unique IDs in cookies, to process personal data. "
    "You may accept or manage your choices by clicking below, including your right to object where legitimate interest is used, or at any time in the privacy policy page. "
    "These choices will be signaled to our partners and will not affect browsing data.",
    "We and our partners process data to provide: Use precise geolocation data. Actively scan device characteristics for identification. "
    "Store and/or access information on a device. Personalised advertising and content, advertising and content measurement, audience research and services development.",
    "List of Partners (vendors). Some of our partners do not ask for your consent to process your data and rely on their legitimate business interest. "
    "View our list of partners to see the purposes they believe they have a legitimate interest for and how you can object to such processing.",
)
_LEADS = (
    (
        "Harvest begins two weeks early in the upper valley",
        "Growers say that the dry spring has left the grapes small and sweet.",
    ),
    (
        "Museum of clocks reopens after five years of repairs",
        "The collection of nine hundred pieces had been kept in a barn.",
    ),
    (
        "Night trains to the coast return in spring",
        "Tickets will go on sale in December, the railway said on Thursday.",
    ),
    (
        "Teachers and ministry agree on smaller classes",
        "The agreement ends a dispute that had lasted since the winter.",
    ),
    (
        "A baker's recipe from 1911 wins the county prize",
        "The jury praised a crust that, it said, sang when it was cut.",
    ),
    ("Why the swallows left so late this year", "Ornithologists point to a warm September and plenty of insects."),
    ("Harbour wall to be raised by half a metre", "Work will start in March and cost eleven million."),
    ("Orchestra plays in the market hall for free", "Three thousand people came and many of them brought chairs."),
)
_TITLED = {lang: told[0] for lang, told in FEEDS.items()}
_OG = '<meta property="og:type" content="article"><meta property="og:title" content="{}">'

CONSENTS = [
    wall("OneTrust interstitial", "en", CONSENT, document(
        "The Valley Ledger", '<div id="onetrust-consent-sdk"><div class="onetrust-pc-dark-filter"></div><div id="onetrust-banner-sdk" role="dialog">'
        f'<h2 id="onetrust-policy-title">We value your privacy</h2><div id="onetrust-policy-text">{paragraphs(*_PARTNERS)}</div>'
        '<button id="onetrust-pc-btn-handler">Show Purposes</button><button id="onetrust-accept-btn-handler">I Accept</button></div></div>')),
    wall("Didomi notice", "fr", CONSENT, document(
        "Le Courrier de la Vallée", '<div id="didomi-host"><div id="didomi-popup" class="didomi-popup-open" role="dialog"><h1>Bienvenue sur le Courrier de la Vallée</h1>' + paragraphs(
            "Avec votre accord, nos 612 partenaires et nous utilisons des cookies ou technologies similaires pour stocker, consulter et traiter des données personnelles telles que votre visite sur ce site, les adresses IP et les identifiants de cookie.",
            "Certains partenaires ne demandent pas votre consentement pour traiter vos données et se fondent sur leur intérêt commercial légitime. Vous pouvez retirer votre consentement ou vous opposer au traitement des données fondé sur l'intérêt légitime à tout moment.",
            "Nos partenaires et nous traitons les données suivantes : publicités et contenu personnalisés, mesure de performance des publicités et du contenu, études d’audience et développement de services.") +
        '<button>En savoir plus</button><button id="didomi-notice-agree-button">Accepter &amp; Fermer</button></div></div>', lang="fr", paper="Le Courrier de la Vallée")),
    wall("Sourcepoint accept or subscribe", "de", CONSENT, document(
        "Talbote | Mit Werbung oder im Pur-Abo", '<div id="sp_message_container_1"><div class="message type-modal"><h1>Weiterlesen mit Werbung oder werbefrei im Pur-Abo</h1>' + paragraphs(
            "Mit Werbung weiterlesen: Besuchen Sie den Talboten wie gewohnt mit Werbung und Tracking. Die Zustimmung ist jederzeit widerrufbar. Einzelheiten zu Werbe- und Analysetrackern sowie zum jederzeit möglichen Widerruf finden Sie in unserer Datenschutzerklärung.",
            "Pur-Abo: Nutzen Sie den Talboten ganz ohne Werbetracking und Bannerwerbung für 4,99 € im Monat. Bereits Pur-Abonnent? Hier anmelden.",
            "Tracking: Um unser Angebot zu finanzieren, verarbeiten wir und bis zu 190 Partner personenbezogene Daten mit Hilfe von Cookies und anderen Techniken auf Ihrem Gerät, um Nutzungsprofile zu erstellen und Anzeigen auszuspielen.") +
        '<button title="Akzeptieren und weiter">Akzeptieren und weiter</button></div></div>', lang="de", paper="Talbote")),
    wall("Quantcast Choice", "es", CONSENT, document(
        "El Diario del Valle", '<div id="qc-cmp2-container"><div class="qc-cmp2-summary-section"><h2>Valoramos tu privacidad</h2>' + paragraphs(
            "Nosotros y nuestros socios almacenamos o accedemos a información en un dispositivo, tales como cookies, y procesamos datos personales, tales como identificadores únicos e información estándar enviada por un dispositivo, para anuncios y contenido personalizados, medición de anuncios y del contenido e información sobre el público.",
            "Con su permiso, nosotros y nuestros socios podemos utilizar datos de localización geográfica precisa e identificación mediante las características de dispositivos. Puede hacer clic para otorgarnos su consentimiento a nosotros y a nuestros 754 socios.") +
        "<button>MÁS OPCIONES</button><button>ACEPTO</button></div></div>", lang="es", paper="El Diario del Valle")),
    wall("Usercentrics", "nl", CONSENT, document(
        "Dalbode", '<div id="usercentrics-root"></div><main class="uc-fallback"><h1>Privacy-instellingen</h1>' + paragraphs(
            "Deze website gebruikt cookies en vergelijkbare technologieën van derden om diensten te leveren, voortdurend te verbeteren en advertenties te tonen volgens de interesses van de gebruikers. Ik ga akkoord en kan mijn toestemming op elk moment intrekken of wijzigen met ingang voor de toekomst.",
            "Door op Alles accepteren te klikken geeft u toestemming voor het plaatsen van alle cookies en de verwerking van uw gegevens, ook buiten de EU.") +
        "<button>Weigeren</button><button>Alles accepteren</button></main>", lang="nl", paper="Dalbode")),
    wall("TCF interstitial", "it", CONSENT, document(
        "Il Corriere della Valle", '<div class="iubenda-cs-container"><div class="cmp-wall"><h1>Accetta i cookie o abbonati per continuare</h1>' + paragraphs(
            "Il nostro giornalismo di qualità ha un costo. Per continuare a leggere gratuitamente accetta la profilazione attraverso i cookie: noi e i nostri 690 partner archiviamo informazioni su un dispositivo e trattiamo dati personali per annunci e contenuti personalizzati.",
            "In alternativa puoi rifiutare i cookie e abbonarti a 1 euro al mese per navigare senza pubblicità profilata. Se hai già un abbonamento accedi.") +
        "<button>Accetta e continua</button><button>Rifiuta e abbonati</button></div></div>", lang="it", paper="Il Corriere della Valle")),
    wall("cookie consent with the story's title", "pl", CONSENT, document(
        _TITLED["pl"], '<div class="rodo-popup"><h2>Szanujemy Twoją prywatność</h2>' + paragraphs(
            "My i nasi 903 partnerzy przechowujemy informacje na urządzeniu lub uzyskujemy do nich dostęp, na przykład do plików cookie, i przetwarzamy dane osobowe, takie jak unikalne identyfikatory, w celu wyświetlania spersonalizowanych reklam i treści.",
            "Kliknięcie przycisku oznacza wyrażenie zgody na przetwarzanie danych. Zgodę można wycofać w dowolnym momencie w ustawieniach plików cookie. Niektórzy partnerzy opierają się na prawnie uzasadnionym interesie.") +
        "<button>Ustawienia zaawansowane</button><button>Akceptuję i przechodzę do serwisu</button></div>", head=_OG.format(_TITLED["pl"]), lang="pl", paper="Kurier Doliny")),
    wall("cookie consent", "ja", CONSENT, document(
        "谷間新聞", '<div class="privacy-wall"><h1>Cookieの使用について</h1>' + paragraphs(
            "当社および当社のパートナーは、お客様の端末に情報を保存し、またはアクセスするためにCookieを使用し、広告やコンテンツのパーソナライズ、利用状況の測定のために個人データを処理します。",
            "「すべてのCookieを受け入れる」をクリックすると、端末にCookieを保存することに同意したことになります。設定はいつでも変更できます。詳しくはプライバシーポリシーをご覧ください。") +
        "<button>Cookieの設定</button><button>すべてのCookieを受け入れる</button></div>", lang="ja", paper="谷間新聞")),
]  # fmt: skip

PAYWALLS = [
    wall("metered paywall with a lead", "en", PAYWALL, document(
        f"{_TITLED['en']} | The Valley Ledger", f"<article><h1>{_TITLED['en']}</h1>" + paragraphs(
            "Engineers who looked at the old river bridge on Tuesday found cracks in two of its piers, and on Thursday evening the council voted to close it to all traffic from Monday.",
            "Buses will take another way through the lower town, which will add a quarter of an hour to the journey of some four thousand people a day.") +
        '<div class="tp-container-inner paywall-prompt"><h2>Keep reading for $1 a week</h2><p>You have read your three free articles this month. Subscribe to continue reading.</p>'
        '<a class="btn">See subscription options</a><p>Already a subscriber? <a href="/login">Log in</a></p></div></article>',
        head=_OG.format(_TITLED["en"]) + '<script type="application/ld+json">{"@context":"https://schema.org","@type":"NewsArticle","headline":"%s","isAccessibleForFree":false,"hasPart":{"@type":"WebPageElement","isAccessibleForFree":false,"cssSelector":".paywall"}}</script>'.replace("%s", _TITLED["en"])), state="paywalled"),
    wall("hard paywall", "de", PAYWALL, document(
        f"{_TITLED['de']} - Talbote", f'<article class="article article--plus"><h1>{_TITLED["de"]}</h1><p class="lead">{FEEDS["de"][1]}</p>'
        '<section class="paywall" data-area="paywall"><h3>Diesen Artikel weiterlesen mit Talbote Plus</h3><ul><li>Alle Artikel unbegrenzt lesen</li><li>Jederzeit kündbar</li><li>Erster Monat kostenlos, danach 9,99 € im Monat</li></ul>'
        "<button>Jetzt testen</button><p>Sie haben schon ein Abo? Hier anmelden</p></section></article>", head=_OG.format(_TITLED["de"]), lang="de", paper="Talbote"), state="paywalled"),
    wall("subscribers only", "fr", PAYWALL, document(
        f"{_TITLED['fr']}", f"<main><h1>{_TITLED['fr']}</h1><p>Article réservé aux abonnés</p>" + paragraphs(
            "Le vieux pont sur la rivière sera fermé à toute circulation dès lundi. Ainsi en a décidé le conseil municipal jeudi soir, après que des fissures ont été trouvées dans deux piles.") +
        '<div class="article__premium-wall"><p>Il vous reste 83% de cet article à lire. La suite est réservée aux abonnés.</p><button>S’abonner pour 1 €</button></div></main>', head=_OG.format(_TITLED["fr"]), lang="fr", paper="Le Courrier de la Vallée"), state="paywalled"),
    wall("paywall without words in the text", "es", PAYWALL, document(
        _TITLED["es"], f"<article><h1>{_TITLED['es']}</h1>" + paragraphs(
            "El viejo puente sobre el río quedará cerrado a todo el tráfico desde el lunes, según decidió anoche el ayuntamiento por dieciocho votos contra tres, tras hallar los ingenieros grietas en dos de sus pilares.") + "</article>",
        head='<script type="application/ld+json">{"@type":"NewsArticle","headline":"%s","isAccessibleForFree":"False","wordCount":812}</script>'.replace("%s", _TITLED["es"]), lang="es", paper="El Diario del Valle"), state="paywalled"),
    wall("paywall", "pt", PAYWALL, document(
        _TITLED["pt"], f"<article><h1>{_TITLED['pt']}</h1><p>A velha ponte sobre o rio fecha na segunda-feira a todo o trânsito, decidiu a câmara.</p>"
        '<div id="paywall-piano"><h2>Conteúdo exclusivo para assinantes</h2><p>Assine já por 1 € no primeiro mês e continue a ler. Já é assinante? Faça login.</p></div></article>', lang="pt", paper="Diário do Vale"), state="paywalled"),
    wall("members only", "ja", PAYWALL, document(
        _TITLED["ja"], f"<article><h1>{_TITLED['ja']}</h1><p>市議会は木曜日、老朽化した橋を月曜から全面通行止めにすることを決めた。</p>"
        '<div class="member-wall"><p>この記事は有料会員限定です。残り1,240文字 続きを読むには会員登録が必要です。</p><a>有料会員に登録する</a><a>ログイン</a></div></article>', lang="ja", paper="谷間新聞"), state="paywalled"),
]  # fmt: skip

ACCOUNTS = [
    wall("login page", "en", LOGIN, document(
        "Sign in | The Valley Ledger", '<main><h1>Sign in to your account</h1><form action="/session" method="post"><label>E-mail <input name="email" type="email"></label><label>Password <input type="password" name="pw"></label><button>Sign in</button></form>' + paragraphs(
            "Forgot your password? We will send you a link to choose another.", "New to the Ledger? An account lets you save stories, follow writers and take part in the conversation below our reports.") + "</main>")),
    wall("registration wall", "en", LOGIN, document(
        f"{_TITLED['en']} | The Valley Ledger", f"<article><h1>{_TITLED['en']}</h1><p>Engineers found cracks in two piers of the old river bridge, which the council voted to close from Monday.</p>"
        '<div class="regwall"><h2>Create a free account to keep reading</h2><p>Register to read this story and five more each month. It takes less than a minute.</p><form><input type="email"><button>Continue</button></form></div></article>', head=_OG.format(_TITLED["en"]))),
    wall("login page", "tr", LOGIN, document(
        "Giriş yap | Vadi Postası", '<main><h1>Üye girişi</h1><form method="post"><input name="u"><input type="password" name="p"><button>Giriş yap</button></form><p>Şifremi unuttum. Hesabınız yok mu? Hemen üye olun.</p></main>', lang="tr", paper="Vadi Postası")),
    wall("login page", "pl", LOGIN, document(
        "Zaloguj się", '<main><h1>Zaloguj się do Kuriera</h1><form method="post"><input name="u"><input type="password" name="p"><button>Zaloguj się</button></form><p>Nie pamiętasz hasła? Załóż konto, aby czytać więcej artykułów bez ograniczeń i zapisywać je na później.</p></main>', lang="pl", paper="Kurier Doliny")),
    wall("newsletter gate", "en", MAIL, document(
        f"{_TITLED['en']} | Valley Brief", '<main class="gate"><h1>Enter your email to read this story</h1><form><input type="email" placeholder="you@example.org"><button>Read now</button></form>' + paragraphs(
            "Join 40,000 readers who get the Valley Brief every morning at six. No spam, unsubscribe whenever you like.") + "</main>", head=_OG.format(_TITLED["en"]), paper="Valley Brief")),
]  # fmt: skip

CHECKS = [
    wall("Cloudflare challenge", "en", ROBOT, '<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title><meta http-equiv="refresh" content="360"><meta name="robots" content="noindex,nofollow"></head><body class="no-js"><div class="main-wrapper" role="main"><div class="main-content"><noscript><div class="h2"><span id="challenge-error-text">Enable JavaScript and cookies to continue</span></div></noscript></div></div><script>(function(){window._cf_chl_opt={cvId:"3",cZone:"news.example"};})();</script></body></html>'),
    wall("Cloudflare challenge", "de", ROBOT, '<!DOCTYPE html><html lang="de"><head><title>Nur einen Moment…</title></head><body><div class="main-content"><h1>news.example</h1><p>Bestätigen Sie, dass Sie ein Mensch sind. Dies kann einige Sekunden dauern.</p><p>news.example muss die Sicherheit Ihrer Verbindung überprüfen, bevor Sie fortfahren können.</p></div></body></html>'),
    wall("Akamai denial", "en", DENIED, '<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1> You don\'t have permission to access "http&#58;&#47;&#47;news&#46;example&#47;2025" on this server.<P>Reference&#32;&#35;18&#46;2d351ab8&#46;1557333295</BODY></HTML>'),
    wall("Imperva", "en", ROBOT, document("Pardon Our Interruption", '<div class="container"><h1>Pardon Our Interruption</h1>' + paragraphs(
        "As you were browsing something about your browser made us think you were a bot. There are a few reasons this might happen:") + "<ul><li>You've disabled JavaScript in your web browser.</li><li>You're a power user moving through this website with super-human speed.</li><li>You've disabled cookies in your web browser.</li><li>A third-party browser plugin, such as Ghostery or NoScript, is preventing JavaScript from running.</li></ul><p>To regain access, please make sure that cookies and JavaScript are enabled before reloading the page.</p></div>", chrome=False)),
    wall("DataDome", "fr", ROBOT, '<html lang="fr"><head><title>courrier.example</title><style>#cmsg{animation:A 1.5s}</style></head><body style="margin:0"><p id="cmsg">Please enable JS and disable any ad blocker</p><script data-cfasync="false">var dd={"rt":"c","cid":"AHrl","hsh":"A","t":"fe","host":"geo.captcha-delivery.com"}</script><script src="https://ct.captcha-delivery.com/c.js"></script></body></html>'),
    wall("PerimeterX", "en", ROBOT, document("The Valley Ledger - Are you a robot?", '<section><div id="px-captcha"></div><h2>Before we continue...</h2><p>Press &amp; Hold to confirm you are a human (and not a bot).</p><p>Reference ID 7a1c-ee9f</p></section>', chrome=False)),
    wall("slider captcha", "zh", ROBOT, document("安全验证", '<div class="verify-wrap"><h1>安全验证</h1><p>为了保护您的账号安全,请按住滑块,拖动到最右边完成验证。系统检测到您的网络环境存在异常访问。</p></div>', lang="zh", paper="山谷日报", chrome=False)),
    wall("needs JavaScript", "en", SCRIPT, document("The Valley Ledger", '<noscript><h1>Please turn on JavaScript</h1><p>JavaScript is disabled in your browser. To read the Ledger you must enable JavaScript and reload the page. Here are the instructions how to enable it in your web browser.</p></noscript><div id="app"></div>', chrome=False)),
    wall("empty shell of an application", "es", SCRIPT, document(_TITLED["es"], '<div id="root"><div class="spinner" aria-label="Cargando"></div></div>', head=_OG.format(_TITLED["es"]), lang="es", chrome=False)),
    wall("rate limit", "en", RATE, document("Too Many Requests", "<main><h1>You are going too fast</h1><p>Too many requests have come from your network in a short time. Please wait a few minutes and try again. If you think that this is a mistake, write to our readers' desk and name your address.</p></main>")),
    wall("outdated browser", "de", BROWSER, document("Talbote", "<main><h1>Ihr Browser ist veraltet</h1><p>Dieser Browser wird nicht mehr unterstützt. Bitte aktualisieren Sie Ihren Browser oder verwenden Sie eine aktuelle Version von Chrome, Firefox, Safari oder Edge, um unsere Seiten zu lesen.</p></main>", lang="de", paper="Talbote")),
    wall("app interstitial", "en", APP, document("The Valley Ledger: News on the App Store", "<main class='smart-interstitial'><h1>Read this story in our app</h1><p>Download the app to continue reading. Get breaking news, offline reading and the daily crossword. Free on the App Store and Google Play.</p><a href='https://apps.example/x'>Open in app</a></main>")),
    wall("age gate", "en", AGE, document("Are you of legal age? | Valley Cellar News", "<div class='age-gate'><h1>Please confirm your age</h1><p>You must be 18 years or older to enter this site. By clicking enter you confirm that you are of legal drinking age in your country of residence and accept our terms.</p><button>I am over 18</button><button>Exit</button></div>", paper="Valley Cellar News")),
    wall("geo block", "en", REGION, document("Unavailable in your region", "<main><h1>451: Unavailable due to legal reasons</h1><p>We recognize you are attempting to access this website from a country belonging to the European Economic Area (EEA) including the EU which enforces the General Data Protection Regulation (GDPR) and therefore access cannot be granted at this time.</p><p>For any issues, contact web@valley.example or call 555 0100.</p></main>", chrome=False)),
    wall("geo block of a video", "pt", REGION, document("Conteúdo indisponível", "<main><h1>Conteúdo não disponível na sua região</h1><p>Por motivos de direitos de transmissão este conteúdo não está disponível no seu país. Pedimos desculpa pelo incómodo.</p></main>", lang="pt", paper="Diário do Vale")),
]  # fmt: skip

ERRORS = [
    wall("soft 404", "en", MISSING, document("Page not found - The Valley Ledger", "<main><h1>We can't find that page</h1><p>Sorry, the page you are looking for has been moved or does not exist. Try the search or one of the stories that others are reading now.</p>" + teasers(*_LEADS) + "</main>"), state="failed"),
    wall("soft 404", "it", MISSING, document("Pagina non trovata", "<main><h1>Ops! La pagina che cerchi non esiste</h1><p>Errore 404. L'indirizzo potrebbe essere sbagliato oppure l'articolo è stato rimosso dalla redazione. Torna alla home page oppure usa la ricerca per trovare quello che cercavi.</p></main>", lang="it", paper="Il Corriere della Valle"), state="failed"),
    wall("soft 404", "ar", MISSING, document("الصفحة غير موجودة", "<main><h1>عذرا، الصفحة التي تبحث عنها غير موجودة</h1><p>ربما تم حذف الصفحة أو تغيير عنوانها. يمكنك العودة إلى الصفحة الرئيسية أو استخدام محرك البحث للعثور على ما تريد من الأخبار والمقالات المنشورة في موقعنا.</p></main>", lang="ar", paper="بريد الوادي"), state="failed"),
    wall("soft 404", "sv", MISSING, document("Sidan hittades inte", "<main><h1>Sidan kunde inte hittas</h1><p>Sidan du söker finns inte längre eller har flyttats. Kontrollera adressen eller gå till startsidan.</p></main>", lang="sv", paper="Dalposten"), state="failed"),
    wall("403 with status 200", "en", DENIED, "<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center><hr><center>nginx/1.25.3</center></body></html>"),
    wall("503 with status 200", "en", SERVER, "<html><head><title>503 Service Temporarily Unavailable</title></head><body><center><h1>503 Service Temporarily Unavailable</h1></center><hr><center>nginx</center></body></html>", state="failed"),
    wall("WordPress database error", "en", SERVER, '<!DOCTYPE html><html lang="en-US"><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"><title>Database Error</title></head><body id="error-page"><div class="wp-die-message"><h1>Error establishing a database connection</h1></div></body></html>', state="failed"),
    wall("WordPress critical error", "fr", SERVER, '<!DOCTYPE html><html lang="fr-FR"><head><title>WordPress &rsaquo; Erreur</title></head><body id="error-page"><div class="wp-die-message"><p>Il y a eu une erreur critique sur ce site.</p><p><a href="https://wordpress.org/documentation/">En savoir plus sur le débogage dans WordPress.</a></p></div></body></html>', state="failed"),
    wall("maintenance", "nl", PAUSED, document("Onderhoud", "<main><h1>Wij zijn zo terug</h1><p>Onze website is tijdelijk niet bereikbaar wegens gepland onderhoud. We werken hard om de site zo snel mogelijk weer online te krijgen. Probeer het later opnieuw.</p></main>", lang="nl", paper="Dalbode", chrome=False), state="failed"),
    wall("maintenance", "ru", PAUSED, document("Технические работы", "<main><h1>На сайте ведутся технические работы</h1><p>Приносим извинения за неудобства. Сайт будет доступен в ближайшее время, попробуйте зайти позже.</p></main>", lang="ru", paper="Вестник долины", chrome=False), state="failed"),
    wall("parked domain", "en", PARKED, '<html><head><title>valleyledger.example</title><script src="https://img.sedoparking.com/js/a.js"></script></head><body><div><h1>valleyledger.example</h1><p>This domain is for sale! Buy this domain. The domain name may be for sale by its owner.</p><ul><li><a>Bridge Insurance</a></li><li><a>River Cruises</a></li><li><a>Cheap Flights</a></li></ul><p>The Sponsored Listings displayed above are served automatically by a third party.</p></div></body></html>', state="failed"),
    wall("account suspended", "en", SUSPENDED, "<html><head><title>Account Suspended</title></head><body><div><h1>This Account has been suspended.</h1><p>Contact your hosting provider for more information.</p></div></body></html>", state="failed"),
    wall("nginx default page", "en", DEFAULT, "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1><p>If you see this page, the nginx web server is successfully installed and working. Further configuration is required.</p><p>For online documentation and support please refer to <a href='http://nginx.org/'>nginx.org</a>.</p><p><em>Thank you for using nginx.</em></p></body></html>", state="failed"),
    wall("Apache default page", "en", DEFAULT, document("Apache2 Ubuntu Default Page: It works", '<div class="main_page"><span>Apache2 Default Page</span>' + paragraphs(
        "This is the default welcome page used to test the correct operation of the Apache2 server after installation on Ubuntu systems. It is based on the equivalent page on Debian, from which the Ubuntu Apache packaging is derived. If you can read this page, it means that the Apache HTTP server installed at this site is working properly.",
        "You should replace this file (located at /var/www/html/index.html) before continuing to operate your HTTP server.",
        "If you are a normal user of this web site and don't know what this page is about, this probably means that the site is currently unavailable due to maintenance. If the problem persists, please contact the site's administrator.") + "</div>", chrome=False), state="failed"),
    wall("directory listing", "en", FILES, "<html><head><title>Index of /2025/09</title></head><body><h1>Index of /2025/09</h1><table><tr><th>Name</th><th>Last modified</th><th>Size</th></tr>" + "".join(f'<tr><td><a href="s{n}.html">story-{n}.html</a></td><td>2025-09-{n:02} 10:0{n % 10}</td><td>{n}2K</td></tr>' for n in range(1, 20)) + "</table><address>Apache/2.4 Server at news.example Port 443</address></body></html>", state="failed"),
    wall("endless refresh", "en", ONWARD, '<html><head><title>Redirecting</title><meta http-equiv="refresh" content="0; url=/2025/09/18/the-story-of-the-day?r=2"></head><body><p>You are being taken to the page. If nothing happens, <a href="?r=2">follow this link</a>.</p></body></html>', state="failed"),
    wall("raw JSON", "en", "the address leads to JSON data", '{"error":{"code":500,"message":"Internal"},"data":null}', state="not_html", media="text/html"),
    wall("raw XML", "en", "the address leads to XML data", '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied by the policy of this bucket</Message><RequestId>5A</RequestId></Error>', state="not_html", media="application/xml"),
]  # fmt: skip

STRAYS = [
    wall("home page", "en", LIST, document("The Valley Ledger: news of the valley", "<main><h1>The Valley Ledger</h1>" + teasers(FEEDS["en"], *_LEADS) + "</main>", head='<meta property="og:type" content="website"><link rel="canonical" href="https://news.example/">'), state="failed"),
    wall("section", "de", LIST, document("Politik - Nachrichten aus dem Tal | Talbote", "<main><h1>Politik</h1>" + teasers(*(
        (f"Kreistag streitet über den {n}. Haushalt der Gemeinden", f"Die Fraktionen nannten den Entwurf am {n}. September unausgewogen und verlangten Änderungen.") for n in range(1, 12))) + "</main>", head='<meta property="og:type" content="website">', lang="de", paper="Talbote"), state="failed"),
    wall("search results", "en", LIST, document("Search results for “story” | The Valley Ledger", "<main><h1>Search results for “story”</h1><p>Showing 1–8 of 2,311 results</p>" + teasers(*_LEADS) + "</main>"), state="failed"),
    wall("terms of use", "en", OTHER, document("Terms of use | The Valley Ledger", "<main><h1>Terms of use</h1>" + paragraphs(
        "These terms govern your use of the website and the services of the Valley Ledger Company. By using them you agree to be bound by these terms. If you do not agree, you must not use the services.",
        "You may not copy, distribute, sell or otherwise make available any part of the services without our written permission, save as allowed by law. We may change these terms at any time by publishing a new version on this page.",
        "The services are provided as they are. To the extent permitted by law we exclude all liability for loss or damage of any kind that arises from their use. These terms are governed by the law of the county.") + "</main>"), state="failed"),
    wall("privacy policy", "fr", OTHER, document("Politique de confidentialité", "<main><h1>Politique de confidentialité</h1>" + paragraphs(
        "La présente politique décrit la manière dont la société éditrice collecte et utilise les données à caractère personnel de ses lecteurs, conformément au règlement européen.",
        "Les données sont conservées pendant une durée de trois ans à compter du dernier contact. Vous disposez d'un droit d'accès, de rectification et d'effacement que vous pouvez exercer auprès de notre délégué.") + "</main>", lang="fr", paper="Le Courrier de la Vallée"), state="failed"),
]  # fmt: skip

WALLS: list[Page] = [*CONSENTS, *PAYWALLS, *ACCOUNTS, *CHECKS, *ERRORS, *STRAYS]
