"""Walls that were written after the rules, to see what these do with what they were not made with."""

from tests.walls import FEEDS, Page, document, paragraphs, teasers, wall
from tests.walls.first import (
    AGE,
    APP,
    BROWSER,
    CONSENT,
    DEFAULT,
    DENIED,
    LIST,
    LOGIN,
    MAIL,
    MISSING,
    OTHER,
    PARKED,
    PAUSED,
    PAYWALL,
    RATE,
    REGION,
    ROBOT,
    SCRIPT,
    SERVER,
    SUSPENDED,
)

_T = {lang: told[0] for lang, told in FEEDS.items()}
_OG = '<meta property="og:type" content="article"><meta property="og:title" content="{}">'

CONSENTS = [
    wall("Funding Choices over a blank page", "en", CONSENT, document(
        "Hill Country Gazette", '<div class="fc-consent-root"><div class="fc-dialog-container"><h1>Hill Country Gazette asks for your consent to use your personal data to:</h1><ul><li>Personalised advertising and content, advertising and content measurement, audience research and services development</li><li>Store and/or access information on a device</li></ul>'
        "<p>Your personal data will be processed and information from your device (cookies, unique identifiers, and other device data) may be stored by, accessed by and shared with 147 TCF vendors and 63 ad partners, or used specifically by this site or app. Some vendors may process your personal data on the basis of legitimate interest, which you can object to by managing your options below.</p><button>Consent</button><button>Manage options</button></div></div>", paper="Hill Country Gazette")),
    wall("pay or accept", "de", CONSENT, document(
        "Ihre Entscheidung | Bergland Kurier", "<main><h1>Wie möchten Sie den Bergland Kurier lesen?</h1>" + paragraphs(
            "Kostenlos mit Werbung: Wir und unsere 231 Drittanbieter speichern Informationen auf Ihrem Gerät und rufen sie dort ab, etwa über Cookies, um Reichweiten zu messen, Zielgruppen zu bilden und personalisierte Anzeigen auszuliefern. Dafür brauchen wir Ihre Einwilligung nach Art. 6 DSGVO.",
            "Ohne Tracking: Für 3,50 € im Monat lesen Sie alles ohne Werbung. Ihre Auswahl können Sie jederzeit am Fuß jeder Seite unter „Privatsphäre“ ändern. Minderjährige dürfen nicht zustimmen.") + "<button>Einverstanden</button><button>Pur-Abo abschließen</button></main>", lang="de", paper="Bergland Kurier")),
    wall("bandeau de cookies", "fr", CONSENT, document(
        "La Gazette des Monts", '<section class="axeptio_overlay"><h2>Continuer sans accepter →</h2>' + paragraphs(
            "Chez nous, vos données restent entre de bonnes mains. Avec votre consentement, nos partenaires et nous-mêmes déposons des cookies et des traceurs afin de mesurer l’audience, d’adapter les publicités à votre profil et de vous proposer des contenus de réseaux sociaux.",
            "Vous pouvez changer d’avis à tout moment en cliquant sur le lien présent en bas de chaque page.") + "<button>Je choisis</button><button>OK pour moi</button></section>", lang="fr", paper="La Gazette des Monts")),
    wall("muro de cookies", "es", CONSENT, document(
        "La Gaceta de la Sierra | Elige cómo leernos", "<main class='elegir'><h1>Acepta las cookies o suscríbete</h1>" + paragraphs(
            "Para leer nuestra edición digital debes aceptar el uso de cookies con fines publicitarios, o bien rechazarlas y pagar una suscripción mensual de 2 euros. Nuestros 512 proveedores tratarán tus datos de navegación para crear perfiles.",
            "Puedes retirar tu consentimiento cuando quieras desde el enlace de configuración que encontrarás al pie.") + "<button>Aceptar</button><button>Rechazar y suscribirse</button></main>", lang="es", paper="La Gaceta de la Sierra")),
    wall("zgoda RODO", "pl", CONSENT, document(
        "Głos Gór", '<div class="overlay"><h1>Dbamy o Twoją prywatność</h1>' + paragraphs(
            "Korzystając z serwisu, wyrażasz zgodę na używanie plików cookies i przetwarzanie danych osobowych przez nas i naszych zaufanych partnerów w celach marketingowych, w tym profilowania i analityki, zgodnie z rozporządzeniem RODO.",
            "Więcej informacji o celach przetwarzania, odbiorcach danych i prawach, które Ci przysługują, znajdziesz w polityce prywatności.") + "<button>Przejdź do serwisu</button></div>", lang="pl", paper="Głos Gór")),
    wall("çerez duvarı", "tr", CONSENT, document(
        "Dağ Haber", "<div class='cc-window'><h2>Çerez tercihleriniz</h2><p>Sitemizde size daha iyi bir deneyim sunmak için çerezler kullanıyoruz. Zorunlu çerezler dışındaki çerezler yalnızca açık rızanızla yerleştirilir. Tüm çerezleri kabul edebilir veya tercihlerinizi yönetebilirsiniz. Ayrıntılar için çerez politikamızı okuyun.</p><button>Kabul et</button></div>", lang="tr", paper="Dağ Haber")),
]  # fmt: skip

PAYWALLS = [
    wall("metered", "it", PAYWALL, document(
        f"{_T['it']} - L'Eco dei Monti", f"<article><h1>{_T['it']}</h1>" + paragraphs(
            "Il vecchio ponte sul fiume resterà chiuso da lunedì. Lo ha deciso giovedì sera il consiglio comunale dopo che i tecnici avevano trovato crepe in due piloni.", "Gli autobus della linea 4 e della linea 9 percorreranno la strada bassa, con un quarto d'ora in più di viaggio.") +
        '<div class="story-offer"><h3>Questo articolo è riservato a chi ha un abbonamento</h3><p>Sei già un nostro abbonato? Accedi. Altrimenti scegli l’offerta: 1 euro per tre mesi.</p></div></article>', head=_OG.format(_T["it"]), lang="it", paper="L'Eco dei Monti"), state="paywalled"),
    wall("newsletter for paying readers", "en", PAYWALL, document(
        f"{_T['en']} - by M. Hale", f"<article class='post'><h1>{_T['en']}</h1><p>What the engineers saw under the water line, and why it took the council two years to look at their drawings. A walk along the piers of the old river bridge.</p>"
        "<div class='after-preview'><h2>This post is for paid subscribers</h2><a>Subscribe</a><p>Already a paid subscriber? <a>Sign in</a></p></div></article>", head=_OG.format(_T["en"]), paper="Under the Bridges"), state="paywalled"),
    wall("meter used up", "nl", PAYWALL, document(
        _T["nl"], f"<article><h1>{_T['nl']}</h1><p>Ingenieurs vonden scheuren in twee pijlers van de oude brug. Vanaf maandag rijden bussen om, besloot de gemeenteraad donderdagavond.</p><p>Verder lezen?</p><p>Je hebt je gratis artikelen van deze maand gelezen. Word abonnee vanaf € 2,50 per week en lees onbeperkt.</p></article>", lang="nl", paper="De Heuvelbode"), state="paywalled"),
    wall("付费文章", "zh", PAYWALL, document(
        _T["zh"], f"<article><h1>{_T['zh']}</h1><p>市议会周四晚决定,从周一起全面关闭河上老桥,工程师在两个桥墩上发现裂缝。</p><div class='pay-box'><p>本文为付费内容,剩余 82% 未读。开通会员后可阅读全文,首月仅需 6 元。</p></div></article>", lang="zh", paper="山地日报"), state="paywalled"),
    wall("لا يقرأ إلا بالاشتراك", "ar", PAYWALL, document(
        _T["ar"], f"<article><h1>{_T['ar']}</h1><p>وجد المهندسون شقوقا في دعامتين من الجسر القديم فقرر المجلس البلدي إغلاقه من يوم الاثنين.</p><div class='subscription-wall'><p>لمواصلة القراءة اشترك الآن بسعر 3 دولارات شهريا. هذا المقال متاح للمشتركين فقط.</p></div></article>", lang="ar", paper="صوت الجبل"), state="paywalled"),
    wall("låst artikel", "sv", PAYWALL, document(
        _T["sv"], f"<article><h1>{_T['sv']}</h1><p>Kommunen stänger den gamla älvbron från måndag sedan sprickor hittats i två pelare.</p><div class='locked-article'><h3>Vill du läsa hela artikeln?</h3><p>Prova en månad för 1 kr, därefter 149 kr i månaden. Ingen bindningstid.</p></div></article>", head='<script type="application/ld+json">{"@type":"NewsArticle","isAccessibleForFree":false}</script>', lang="sv", paper="Fjällposten"), state="paywalled"),
]  # fmt: skip

ACCOUNTS = [
    wall("single sign-on", "fr", LOGIN, document(
        "Identification", '<main class="auth"><h1>Identifiez-vous</h1><form method="post"><label>Adresse électronique<input type="email"></label><label>Mot de passe<input type="password"></label><button>Valider</button></form><p>Première visite ? Ouvrez un compte en deux minutes. Mot de passe perdu ? Nous vous enverrons un lien.</p></main>', lang="fr", paper="La Gazette des Monts")),
    wall("Anmeldung", "de", LOGIN, document(
        f"{_T['de']} | Bergland Kurier", f"<article><h1>{_T['de']}</h1><p>{FEEDS['de'][1]}</p><div class='register-wall'><h3>Jetzt kostenlos weiterlesen</h3><p>Registrieren Sie sich mit Ihrer E-Mail-Adresse und lesen Sie fünf Artikel im Monat gratis.</p></div></article>", head=_OG.format(_T["de"]), lang="de", paper="Bergland Kurier")),
    wall("会員ログイン", "ja", LOGIN, document("会員ログイン | 山麓新報", '<main><h1>ログイン</h1><form><input type="text"><input type="password"><button>ログインする</button></form><p>パスワードをお忘れの方はこちら。はじめての方は新規会員登録をお願いします。</p></main>', lang="ja", paper="山麓新報")),
    wall("e-mail for the story", "es", MAIL, document(
        _T["es"], "<main><div class='lead-gate'><h2>Deja tu correo para seguir leyendo</h2><p>Introduce tu correo para leer esta historia completa y recibir nuestro boletín semanal. Es gratis.</p><form><input type='email'><button>Leer</button></form></div></main>", head=_OG.format(_T["es"]), lang="es", paper="La Gaceta de la Sierra")),
]  # fmt: skip

CHECKS = [
    wall("proof of work", "en", ROBOT, document("Making sure you're not a bot!", "<main><h1>Making sure you're not a bot!</h1><p>You are seeing this because the administrator of this website has set up a proof of work to protect the server against the scourge of AI companies aggressively scraping websites.</p><p>Please note that this requires the use of modern JavaScript features.</p></main>", chrome=False)),
    wall("hCaptcha page", "es", ROBOT, document("Verificación de seguridad", '<main><h1>Una última comprobación</h1><p>Demuestra que no eres un robot para continuar a La Gaceta.</p><div class="h-captcha" data-sitekey="10000000"></div><script src="https://js.hcaptcha.com/1/api.js"></script><p>Identificador de la solicitud: 8f1e</p></main>', lang="es", chrome=False)),
    wall("Akamai behavioural page", "fr", ROBOT, '<html><head><title>&nbsp;</title><meta http-equiv="refresh" content="5; URL=\'/?bm-verify=AAQAAA\'"></head><body><script>var i=1;var j=i+Number("1"+"2");</script><noscript>JavaScript</noscript></body></html>'),
    wall("Kasada", "en", ROBOT, '<!DOCTYPE html><html><head></head><body><script>window.KPSDK={};KPSDK.now=typeof performance;</script><script src="/149e9513-01fa/ips.js?KP_UIDz=0a"></script></body></html>'),
    wall("firewall block", "en", DENIED, document("Blocked", "<main><h1>Sorry, you have been blocked</h1><p>You are unable to access hillgazette.example. This website is using a security service to protect itself from online attacks. The action you just performed triggered the security solution.</p><p>You can email the site owner to let them know you were blocked.</p></main>", chrome=False)),
    wall("Wordfence", "nl", DENIED, document("Uw toegang tot deze site is beperkt", "<main><h1>Uw toegang tot deze site is beperkt door de eigenaar</h1><p>Uw toegang tot deze dienst is beperkt (HTTP-antwoordcode 503). Denkt u dat u ten onrechte geblokkeerd bent, neem dan contact op met de eigenaar van de site.</p></main>", lang="nl", chrome=False)),
    wall("shell", "de", SCRIPT, document("Bergland Kurier", '<div id="__next"></div><noscript>Bitte aktivieren Sie JavaScript, um diese Seite zu sehen.</noscript>', lang="de", chrome=False)),
    wall("shell with a loader", "ru", SCRIPT, document("Горный вестник", '<div id="app"><p>Загрузка…</p></div>', lang="ru", chrome=False)),
    wall("slow down", "fr", RATE, document("Erreur 429", "<main><h1>Trop de requêtes</h1><p>Vous avez envoyé trop de demandes en peu de temps. Merci de patienter une minute avant de recharger la page.</p></main>", lang="fr", chrome=False)),
    wall("old browser", "it", BROWSER, document("L'Eco dei Monti", "<main><h1>Aggiorna il tuo browser</h1><p>Stai usando una versione che non possiamo più supportare. Per continuare a leggere L'Eco dei Monti installa una versione recente di Chrome, Firefox o Safari.</p></main>", lang="it", chrome=False)),
    wall("app only", "de", APP, document("Bergland Kurier – Die App", "<main><h1>Weiterlesen in der App</h1><p>Diesen Beitrag gibt es nur in unserer App. Laden Sie sie kostenlos im App Store oder bei Google Play und lesen Sie in der App weiter.</p></main>", lang="de", paper="Bergland Kurier")),
    wall("age check", "it", AGE, document("Verifica età", "<main><h1>Hai più di 18 anni?</h1><p>I contenuti di questa sezione sono rivolti a un pubblico adulto. Per proseguire dichiara di essere maggiorenne.</p><button>Sì, ho più di 18 anni</button><button>No</button></main>", lang="it", paper="L'Eco dei Monti")),
    wall("geo block", "de", REGION, document("Nicht verfügbar", "<main><h1>Dieser Inhalt ist in Ihrem Land leider nicht verfügbar</h1><p>Aus rechtlichen Gründen können wir diese Seite außerhalb der Schweiz nicht zeigen. Wir bitten um Verständnis.</p></main>", lang="de", chrome=False)),
    wall("GDPR block", "en", REGION, document("Hill Country Gazette", "<main><p>Our European visitors are important to us.</p><p>This site is currently unavailable to visitors from the European Economic Area while we work to ensure your data is protected in accordance with applicable EU laws.</p></main>", chrome=False)),
]  # fmt: skip

ERRORS = [
    wall("lost page with the stories of the day", "es", MISSING, document("La Gaceta de la Sierra", "<main><h1>Lo sentimos, no encontramos lo que buscas</h1><p>La página que intentas ver ya no está aquí. Quizá te interese alguna de estas noticias.</p>" + teasers(
        ("La vendimia empieza dos semanas antes en el valle alto", "Los viticultores culpan a una primavera seca y calurosa."), ("Vuelven los trenes nocturnos a la costa", "Los billetes saldrán a la venta en diciembre, según la compañía."), ("El museo de relojes reabre tras cinco años de obras", "La colección había pasado ese tiempo en un granero.")) + "</main>", lang="es", paper="La Gaceta de la Sierra"), state="failed"),
    wall("Seite weg", "de", MISSING, document("Fehler 404 | Bergland Kurier", "<main><h1>Da ist leider etwas schiefgelaufen</h1><p>Die von Ihnen gesuchte Seite existiert nicht oder wurde verschoben. Bitte prüfen Sie die Adresse oder nutzen Sie unsere Suche.</p></main>", lang="de", paper="Bergland Kurier"), state="failed"),
    wall("article withdrawn", "en", MISSING, document("Hill Country Gazette", "<main><h1>This story has been removed</h1><p>The article is no longer available. It may have been taken down at the request of the agency that supplied it.</p></main>", paper="Hill Country Gazette"), state="failed"),
    wall("削除された記事", "ja", MISSING, document("山麓新報", "<main><h1>お探しの記事は見つかりませんでした</h1><p>記事は掲載期間が終了したか、アドレスが変更された可能性があります。トップページからお探しください。</p></main>", lang="ja", paper="山麓新報"), state="failed"),
    wall("页面丢失", "zh", MISSING, document("山地日报", "<main><h1>抱歉,您要找的页面不见了</h1><p>您访问的页面可能已被删除、更名或暂时不可用,请返回首页继续浏览其他新闻。</p></main>", lang="zh", paper="山地日报"), state="failed"),
    wall("PHP error", "en", SERVER, "<br />\n<b>Fatal error</b>:  Uncaught Error: Call to undefined function get_field() in /var/www/html/wp-content/themes/hill/single.php:41\nStack trace:\n#0 /var/www/html/wp-includes/template.php(770): require_once()\n#1 {main}\n  thrown in <b>/var/www/html/wp-content/themes/hill/single.php</b> on line <b>41</b><br />", state="failed"),
    wall("gateway error of a CDN", "en", SERVER, document("hillgazette.example | 502: Bad gateway", "<main><h1>Bad gateway <span>Error code 502</span></h1><p>Visit cloudflare.com for more information.</p><h2>What happened?</h2><p>The web server reported a bad gateway error.</p><h2>What can I do?</h2><p>Please try again in a few minutes.</p></main>", chrome=False), state="failed"),
    wall("mantenimiento", "es", PAUSED, document("Volvemos pronto", "<main><h1>Estamos en mantenimiento</h1><p>Estamos mejorando la web para ofrecerte una mejor experiencia. Vuelve a visitarnos dentro de unos minutos.</p></main>", lang="es", chrome=False), state="failed"),
    wall("メンテナンス", "ja", PAUSED, document("メンテナンスのお知らせ", "<main><h1>ただいまメンテナンス中です</h1><p>ご不便をおかけして申し訳ございません。作業は午前六時に終了する予定です。</p></main>", lang="ja", chrome=False), state="failed"),
    wall("parked", "de", PARKED, document("berglandkurier.example steht zum Verkauf", "<main><h1>berglandkurier.example</h1><p>Die Domain berglandkurier.example steht zum Verkauf. Festpreis 2.499 €. Sicherer Kauf über unseren Treuhandservice.</p></main>", lang="de", chrome=False), state="failed"),
    wall("hosting suspended", "es", SUSPENDED, document("Cuenta suspendida", "<main><h1>Esta cuenta ha sido suspendida</h1><p>Póngase en contacto con su proveedor de alojamiento para obtener más información.</p></main>", lang="es", chrome=False), state="failed"),
    wall("IIS", "en", DEFAULT, "<!DOCTYPE html><html><head><title>IIS Windows Server</title></head><body><div id='container'><a href='http://go.microsoft.com/fwlink/?linkid=66138'><img src='iisstart.png' alt='IIS'></a></div></body></html>", state="failed"),
    wall("Plesk", "fr", DEFAULT, document("Web Server's Default Page", "<main><h1>Web Server's Default Page</h1><p>This page is generated by the panel that leads the hosting automation of this server. You see this page because there is no Web site at this address.</p><p>You can do the following: create domains and set up hosting, learn how to upload content.</p></main>", lang="en", chrome=False), state="failed"),
]  # fmt: skip

STRAYS = [
    wall("front page", "fr", LIST, document("La Gazette des Monts : l'actualité des montagnes", "<main>" + "".join(
        f'<article class="teaser"><a href="/n/{n}"><h2>{title}</h2></a><p>{lead}</p></article>' for n, (title, lead) in enumerate((
            ("Les vendanges commencent deux semaines plus tôt", "Les vignerons accusent un printemps sec."), ("Le musée des horloges rouvre après cinq ans", "La collection avait dormi dans une grange."), ("Les trains de nuit reviennent vers la côte", "Les billets seront vendus dès décembre."),
            ("Accord sur des classes plus petites", "Il met fin à un conflit né cet hiver."), ("Un boulanger prime pour une recette de 1911", "Le jury a loué une croûte qui chante."), ("Pourquoi les hirondelles sont parties si tard", "Le mois de septembre a été doux.")))) + "</main>", lang="fr", paper="La Gazette des Monts"), state="failed"),
    wall("topic page", "ja", LIST, document("地域のニュース一覧 | 山麓新報", "<main><h1>地域</h1>" + teasers(*((f"第{n}回のぶどう収穫祭、今年は二週間早く開幕", f"乾いた春の影響で第{n}農園の実は小さく甘いという。") for n in range(1, 9))) + "</main>", lang="ja", paper="山麓新報"), state="failed"),
    wall("about us", "nl", OTHER, document("Over ons | De Heuvelbode", "<main><h1>Over ons</h1>" + paragraphs(
        "De Heuvelbode is de oudste krant van de streek en verschijnt zes dagen per week. Onze redactie telt twaalf mensen en een kat, en is gevestigd boven de bakkerij aan de markt.",
        "Wij geloven dat een streek zonder krant een streek zonder geheugen is. Schrijf ons gerust, bel ons, of kom langs voor een kop koffie.") + "</main>", lang="nl", paper="De Heuvelbode"), state="failed"),
    wall("comment rules", "pt", OTHER, document("Regras dos comentários", "<main><h1>Regras dos comentários</h1>" + paragraphs(
        "Os comentários são moderados antes de serem publicados. Não aceitamos insultos, apelos à violência nem publicidade, e pedimos aos leitores que assinem com o seu nome.",
        "A redação reserva-se o direito de encurtar contributos longos e de encerrar a discussão quando esta se afasta do tema.") + "</main>", lang="pt", paper="Diário da Serra"), state="failed"),
    wall("shop of the paper", "en", OTHER, document("Prints and calendars | Hill Country Gazette Shop", "<main><h1>Prints and calendars</h1>" + paragraphs(
        "Bring the hills home with a print of our photographers' best pictures, on heavy paper and in three sizes. Orders are packed by hand and sent within two days.", "The calendar for the coming year shows the twelve villages that our readers voted for.") + "</main>", paper="Hill Country Gazette"), state="failed"),
]  # fmt: skip

WALLS: list[Page] = [*CONSENTS, *PAYWALLS, *ACCOUNTS, *CHECKS, *ERRORS, *STRAYS]
