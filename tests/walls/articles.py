"""Articles that resemble walls, by their subject, their length or what stands around them."""

from tests.walls import Page, document, paragraphs, teasers

_BANNER = (
    '<div id="onetrust-banner-sdk" role="dialog"><h2>We value your privacy</h2><p>We and our 842 partners store and access information on a device, '
    "such as cookies, and process personal data. You can accept all cookies or manage your choices.</p><button>Accept all cookies</button></div>"
)
_NEWSLETTER = (
    '<div class="newsletter-signup"><h3>Sign up to our newsletter</h3><p>Enter your email address and get the best of the Ledger every Friday. '
    'Subscribe for free.</p><form><input type="email"><button>Subscribe</button></form></div>'
)
_LOGIN = '<div class="modal" id="login"><h2>Log in</h2><form><input name="u"><input type="password" name="p"><a>Forgot your password?</a></form></div>'
_METER = '<div id="subscription-wall" class="hidden"><h3>Subscribe to continue reading</h3><p>You have read your free articles this month. From $1 a week.</p></div>'


def _article(
    name: str,
    title: str,
    *texts: str,
    lang: str = "en",
    around: str = "",
    inside: str = "",
    head: str = "",
    **told: str,
) -> Page:
    """An article of a paper whose feed has the title of its page, unless it is `told` another."""
    body = f"{around}<main><article><h1>{title}</h1>{paragraphs(*texts)}{inside}</article></main>"
    html = document(f"{title} | The Valley Ledger", body, lang=lang, head=head)
    return Page(
        name=f"{name} ({lang})",
        html=html,
        language=lang,
        title=told.get("feed", title),
        summary=told.get("summary", ""),
    )


_BRIDGE = (
    "The council voted on Thursday evening to close the old river bridge to all traffic, after engineers had found cracks in two of its piers.",
    "Buses will take another way through the lower town from Monday, and those who walk or ride will be brought across by a ferry that the county lends.",
    "The bridge, which was built in 1911, carries some four thousand people a day. Its repair, the engineers said, would take at least a year and cost eleven million.",
)

ARTICLES = [
    _article("about cookie banners", "Why every site asks you to accept all cookies",
        "Few sentences are read as often and as little as the one that asks us to accept all cookies. A study has now counted how long people look at it: less than two seconds.",
        "“We value your privacy,” the banners say, and list 842 partners that store and access information on a device. Hardly anybody opens the list, and consent is given by reflex.",
        "The commission wants to let browsers answer for their owners. Publishers fear for the income from cookies, and for the measurement of their audience."),
    _article("about cookies, in brief", "Court: cookie banners must have a button to reject",
        "A court in Hanover has ruled that cookie banners must show a button to reject all cookies beside the one that says Accept all. It called the banner of a newspaper unlawful.", around=_BANNER),
    _article("about paywalls", "The paper that took its paywall down",
        "For nine years the Ledger told its readers to subscribe to continue reading. On Monday that sentence disappeared, and with it, its publisher hopes, a good many doubts.",
        "“Already a subscriber? Log in” had been the line that was clicked most on the whole site, he said, mostly by those who had forgotten their password.",
        "The paper will ask for donations. It expects to lose a third of its income from subscriptions in the first year, and to win it back in the third."),
    _article("about subscriptions, in brief", "Ledger raises price of subscription to $4 a week",
        "The Valley Ledger will raise the price of its digital subscription from $3 to $4 a week in January, its publisher said on Thursday. Subscribers who log in before Christmas keep the old price for a year and read all stories as before."),
    _article("about captchas", "Are you a robot? How captchas lost the race",
        "Verify you are human, the box says, and shows nine pictures of traffic lights. Machines solve the puzzle in half a second by now, and people need ten.",
        "“I'm not a robot” was a sentence that only people had to prove, a researcher said. Her group let twelve programs complete the captcha of four large sites, and all of them passed.",
        "What will come after it is tested already: a proof of work that costs every visitor a little electricity."),
    _article("about pages that are not found", "Page not found: the museum of lost websites",
        "Error 404 is what remains of two thirds of the links that newspapers set twenty years ago. A museum in the upper valley has begun to collect what they led to.",
        "The page you are looking for, its director says, is nearly always somewhere: on a disk in an attic, or in the cellar of a university.",
        "Sixty volunteers help her. The oldest page in the collection is a recipe for plum cake of 1994."),
    _article("about an age check", "Bars must ask for age again, court says",
        "You must be 18 to be served wine in the county, and bars must check it. The court of appeal overturned the decision of the lower court on Wednesday. It said that asking guests to confirm their age was no burden."),
    _article("about a block", "Access denied: how a village was cut off from the net",
        "For eleven days the people of Upper Marsh read the same two words on their screens: access denied. A provider had taken their village for the origin of an attack.",
        "The mayor drove to the provider's office with a list of names. “You have been blocked, they told me, as if that explained anything,” he said.",
        "On the twelfth day the line worked again. Nobody has said sorry so far."),
    _article("about maintenance", "Site under maintenance: railway to stop all trains for a weekend",
        "No train will run on the coast line on the first weekend of October. The railway said that scheduled maintenance of the signals could not be done at night.",
        "Buses will leave every half hour from the old station. Tickets stay valid, and bicycles cannot be taken."),
    _article("behind a banner", "Council votes to close the old river bridge", *_BRIDGE, around=_BANNER),
    _article("with boxes and a login", "Council votes to close the old river bridge", *_BRIDGE, around=_LOGIN, inside=_NEWSLETTER + _METER),
    _article("news flash behind a banner", "Old river bridge closed", "The old river bridge is closed to all traffic with immediate effect, the council said. Engineers found cracks in two piers on Thursday. There will be more soon.", around=_BANNER + _LOGIN, inside=_NEWSLETTER),
    _article("news flash whose title says other words", "Quake in the upper valley", "A tremor of magnitude 3.1 was felt this morning by people in eleven villages, the seismological service reported. Nobody was hurt and no damage has been found so far.", around=_BANNER),
    _article("short article with a meter over the page", "Police chase ends in the harbour basin", "A chase through three villages ended on Tuesday night when a car that the police had been following rolled into the harbour basin. Its driver, who is 24, swam ashore and was arrested there. Nobody else was hurt.", around=_METER.replace(' class="hidden"', ' class="meter-overlay"')),
    _article("live blog", "Live: council votes on the bridge", *[
        f"{hour}:{minute:02} Councillor number {hour + minute} says that the lower town must not be cut off, and asks what the ferry will cost. There is applause from the gallery." for hour in (18, 19, 20) for minute in (5, 20, 40)]),
    _article("interview", "“I would close it tonight”: an engineer on the bridge", "Ms Hale, would you still drive across?", "No. I would close it tonight.", "What did you see?", "Two piers with cracks that a hand fits into, and water where there should be none. We measured for six days.", "Who knew of it?", "Everybody who reads reports. The first one is from 2019.", "What now?", "A year of work, if they start in March. And a ferry, please, with a roof."),
    _article("article of links", "What we read this week", *[
        f'<a href="https://other.example/{n}">A report of the {n}th commission on the state of our bridges</a> and <a href="https://other.example/b{n}">the answer that the ministry gave to it</a>, both well worth an evening.' for n in range(1, 15)]),
    _article("other title in the feed", "Bridge over the river to be closed after cracks are found", *_BRIDGE, feed="BREAKING: Council pulls the plug on Old Bridge", summary="Engineers had found cracks in two of its piers; buses will take another way."),
    _article("quite another title in the feed", "An end after 114 years", *_BRIDGE, feed="Council votes to close the old river bridge", head='<script type="application/ld+json">{"@type":"NewsArticle","headline":"An end after 114 years","datePublished":"2025-09-18T10:00:00Z"}</script>'),
    _article("no title in the feed", "An end after 114 years", *_BRIDGE, feed="", around=_LOGIN + _BANNER),
    _article("with many teasers below", "Council votes to close the old river bridge", *_BRIDGE, inside="<aside>" + teasers(*((f"Another story of the valley, number {n}", "It has a lead of its own, as such stories have.") for n in range(12))) + "</aside>"),
    _article("not free for search engines, but whole", "Council votes to close the old river bridge", *(text for n in range(4) for text in (f"Part {n}. {_BRIDGE[0]}", f"Then, {n} days later. {_BRIDGE[1]}", f"In year {n}: {_BRIDGE[2]}")), head='<script type="application/ld+json">{"@type":"NewsArticle","isAccessibleForFree":false}</script>'),
    _article("with an appeal for support", "Old river bridge closed", "The old river bridge is closed to all traffic with immediate effect, the council said. Engineers found cracks in two piers.", inside="<p>The Ledger is independent. Support our work and subscribe to the printed edition from $40 a year!</p>"),
    _article("Bußgeld für Cookie-Banner", "Bußgeld für Cookie-Banner ohne Ablehnen-Knopf", "Ein Verlag muss 50.000 Euro zahlen, weil sein Cookie-Banner keinen Knopf zum Ablehnen hatte. „Alle akzeptieren“ reiche nicht, sagte die Datenschützerin. Der Verlag will klagen.", lang="de"),
    _article("Abonnements, en bref", "La presse perd des abonnés en ligne", "Les quotidiens ont perdu 3 % de leurs abonnés en ligne cette année, selon une étude. Les articles réservés aux abonnés sont pourtant plus nombreux que jamais.", lang="fr"),
    _article("noticia breve", "Cierran el viejo puente sobre el río", "El viejo puente sobre el río quedará cerrado desde el lunes, según anunció anoche el ayuntamiento tras hallarse grietas en dos pilares. Los autobuses cambian de ruta.", lang="es"),
    _article("速報", "老朽化した橋を閉鎖へ 市議会が決定", "市議会は木曜日夜、橋脚二本に亀裂が見つかった老朽化した橋を月曜日から全面通行止めにすることを決定した。バスは迂回する。", lang="ja", around=_BANNER),
    _article("快讯", "市议会决定关闭河上老桥", "市议会周四晚决定,从下周一起全面关闭河上老桥。工程师此前在两个桥墩上发现裂缝,公交车将绕行下城。", lang="zh"),
    _article("خبر قصير", "المجلس البلدي يقرر إغلاق الجسر القديم", "قرر المجلس البلدي مساء الخميس إغلاق الجسر القديم أمام حركة المرور بعد أن وجد المهندسون شقوقا في دعامتين من دعاماته. وستغير الحافلات مسارها يوم الاثنين.", lang="ar"),
    _article("krótka wiadomość", "Stary most zamknięty od poniedziałku", "Rada miasta zdecydowała o zamknięciu starego mostu na rzece. Inżynierowie znaleźli pęknięcia w dwóch filarach, a autobusy pojadą objazdem. Remont potrwa według nich co najmniej rok.", lang="pl"),
]  # fmt: skip
