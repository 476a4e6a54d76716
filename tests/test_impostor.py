"""Pages that come in the place of feeds, as the real ones look, shortened."""

import gzip
import json
import time
from pathlib import Path

import pytest

from aggregator.feed import impostor
from tests import feeds

FILLER = " ".join(["Ministers of eleven countries met again on Tuesday to talk about the price of salt."] * 30)
NAV = "<nav><a href=/>Home</a> <a href=/world>World</a> <a href=/sport>Sport</a> <a href=/login>Sign in</a></nav>"
CHROME = f"<header>{NAV}</header><main><p>{FILLER}</p></main><footer>Terms Privacy Cookies Contact</footer>"


def page(title: str = "", body: str = "", head: str = "", lang: str = "en") -> str:
    return f"<!DOCTYPE html>\n<html lang={lang}><head><meta charset=utf-8><title>{title}</title>{head}</head><body>{body}</body></html>"


LOGIN_FORM = '<form method=post action=/session><input name=u><input type="password" name=p><input type=submit value="{}"></form>'

CHALLENGES = {
    "cloudflare": page(
        "Just a moment...",
        '<noscript><div class="h2">Enable JavaScript and cookies to continue</div></noscript>'
        "<script>(function(){window._cf_chl_opt={cvId:'3',cZone:'news.example'};})();</script>",
    ),
    "cloudflare, with the site's own title": page(
        "The Daily Example", CHROME + "<script>window._cf_chl_opt = {cType: 'managed'}</script>"
    ),
    "cloudflare of old": page(
        "Please Wait... | Cloudflare", "<h1>Please turn JavaScript on and reload the page.</h1><p>DDoS protection by Cloudflare"
    ),
    "cloudflare's block": page("Attention Required! | Cloudflare", "<h1>Sorry, you have been blocked</h1>"),
    "cloudflare in German": page("Nur einen Moment…", "<h1>news.example</h1><p>Bestätigen Sie, dass Sie ein Mensch sind.", lang="de"),
    "cloudflare in French": page("Un instant…", "<p>Vérifiez que vous êtes humain", lang="fr"),
    "cloudflare in Chinese": page("请稍候…", "<p>请完成以下操作，验证您是真人。", lang="zh"),
    "cloudflare in Japanese": page("しばらくお待ちください...", "<p>ブラウザを確認しています", lang="ja"),
    "cloudflare in Russian": page("Один момент…", "<p>Подтвердите, что вы не робот", lang="ru"),
    "cloudflare in Arabic": page("لحظة…", "<p>تحقق", lang="ar"),
    "anubis": page(
        "Making sure you&#39;re not a bot!",
        '<script id="anubis_version" type="application/json">"1.21"</script><img src="/.within.website/x/cmd/anubis/static/img/pensive.webp">'
        "<p>Loading...</p><details><summary>Why am I seeing this?</summary></details>",
    ),
    "datadome": page(
        "news.example",
        "<p id=cmsg>Please enable JS and disable any ad blocker</p><script>var dd={'rt':'c','host':'geo.captcha-delivery.com'}</script>"
        '<script src="https://ct.captcha-delivery.com/c.js"></script>',
    ),
    "perimeterx": page(
        "Access to this page has been denied.", "<div id=px-captcha></div><p>Press &amp; Hold to confirm you are a human"
    ),
    "incapsula": '<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX"></head><body><iframe src="/_Incapsula_Resource?CWUDNSAI=23">'
    "Request unsuccessful. Incapsula incident ID: 1-2</iframe></body></html>",
    "imperva": page("Pardon Our Interruption", "<p>As you were browsing something about your browser made us think you were a bot."),
    "aws": page("Human Verification", "<script>window.awsWafCookieDomainList=[];</script><noscript><h1>JavaScript is disabled</h1></noscript>"),
    "sucuri": page("You are being redirected...", "<noscript>Javascript is required.</noscript><script>var s={};sucuri_cloudproxy_js='';"),
    "siteground": '<html><head><meta http-equiv="refresh" content="0;/.well-known/sgcaptcha/?r=%2Ffeed%2F&y=ipc:1"></head></html>',
    "imunify": page("One moment, please...", "<h1>Please wait while your request is being verified...</h1>"),
    "ddos-guard": page("DDoS-Guard", "<p>Checking your browser before accessing news.example"),
    "infinityfree": '<html><body><script src="/aes.js"></script><script>document.cookie="__test="+slowAES.decrypt(c,2,a,b)</script></body>',
    "vercel": page("Vercel Security Checkpoint", "<p>We're verifying your browser"),
    "yandex": page("Вы не робот?", '<a href="/showcaptcha">Я не робот</a>', lang="ru"),
    "baidu": page("百度安全验证", "<p>请完成下方验证", lang="zh"),
    "google": page("https://www.google.com/search", "<p>Our systems have detected unusual traffic from your computer network."),
    "a puzzle of its own": page("News", "<p>Um fortzufahren, zeigen Sie, dass Sie kein Roboter sind.", lang="de"),
}  # fmt: skip

PARKED = {
    "sedo": page("news.example", '<script src="https://img.sedoparking.com/js/park.js"></script><div id=container></div>'),
    "godaddy": '<!DOCTYPE html><html><head><script>window.onload=function(){window.location.href="/lander"}</script></head></html>',
    "godaddy's lander": page("news.example", '<div id=root></div><script src="https://img1.wsimg.com/parking-lander/static/js/main.js"></script>'),
    "dan": page("news.example is for sale | Dan.com", '<script src="https://cdn.dan.com/assets/x.js"></script>'),
    "hugedomains": page("NewsExample.com is for sale | HugeDomains", "<h1>NewsExample.com</h1><p>Buy now for $2,895"),
    "bodis": page("news.example", '<script>window.park="eyJ"</script><script src="https://www.bodis.com/x.js"></script>'),
    "parkingcrew": page("", '<script src="//d38psrni17bvxu.cloudfront.net/themes/x/script.js"></script>'),
    "afternic": page("news.example", '<a href="https://www.afternic.com/forsale/news.example">The domain news.example may be for sale'),
    "expired": page("news.example", "<h1>This domain has expired.</h1><p>If you are the owner, please contact your registrar."),
    "registered": page("Welcome", "<p>This domain name has been registered with Gandi.net. It is currently parked by the owner."),
    "German": page("news.example", "<h1>Die Domain news.example</h1><p>Diese Domain steht zum Verkauf!", lang="de"),
    "French": page("Le nom de domaine news.example est à vendre", "", lang="fr"),
    "Spanish": page("news.example", "<p>Este dominio está en venta", lang="es"),
    "Portuguese": page("news.example", "<p>Este domínio está à venda", lang="pt"),
    "Dutch": page("Domein is gereserveerd", "<p>Deze domeinnaam is geregistreerd door een klant.", lang="nl"),
    "Russian": page("Домен news.example продаётся", "", lang="ru"),
    "Chinese": page("news.example", "<p>您正在访问的域名出售中，购买此域名请联系", lang="zh"),
}  # fmt: skip

CONSENTS = {
    "google": page(
        "Before you continue to Google Search",
        '<form action="https://consent.google.com/save" method=POST><input type=submit value="Accept all"></form>',
    ),
    "youtube in German": page("Bevor Sie zu YouTube weitergehen", "<p>Wir verwenden Cookies und Daten", lang="de"),
    "yahoo": page(
        "Yahoo is part of the Yahoo family of brands",
        f'<form action="https://consent.yahoo.com/v2/collectConsent?sessionId=1"><p>{FILLER}</form>',
    ),
    "a publisher's gate": page("DPG Media Privacy Gate", '<script src="https://myprivacy.dpgmedia.nl/x.js"></script>', lang="nl"),
    "a redirect": page("", "<script>window.location.replace('https://cookies.news.example/consent?back=%2Ffeed')</script>"),
    "French": page("Le Journal", "<p>Nous et nos 847 partenaires.</p><button>Tout accepter</button>", lang="fr"),
    "Italian": page("Il Giornale", "<button>Accetta e continua</button>", lang="it"),
    "Spanish": page("El Diario", "<button>Aceptar todas las cookies</button>", lang="es"),
    "Japanese": page("ご利用の前に", "", lang="ja"),
}  # fmt: skip

LOGINS = {
    "gitlab": page("Sign in · GitLab", CHROME + LOGIN_FORM.format("Sign in")),
    "wordpress": page("Log In ‹ Example News — WordPress", LOGIN_FORM.format("Log In") + "<a href=#>Lost your password?"),
    "microsoft": page("Sign in to your account", "<div></div>"),
    "keycloak": page("Sign in to news", LOGIN_FORM.format("Sign In")),
    "a form under the site's name": page("The Daily Example", "<h1>Subscribers</h1>" + LOGIN_FORM.format("Go")),
    "with a captcha": page("Members", LOGIN_FORM.format("Go") + '<script src="https://challenges.cloudflare.com/turnstile/v0/api.js"></script>'),
    "a refresh": '<html><head><meta http-equiv="Refresh" content="0; URL=https://news.example/users/sign_in?next=/feed"></head></html>',
    "a script": page("", "<script>location.href = '/accounts/login/?next=/feed'</script>"),
    "hotspot": page("Network", "<p>Authentication required to use this network."),
    "German": page("Anmelden - Intranet", LOGIN_FORM.format("Anmelden"), lang="de"),
    "French": page("Connexion | Le Journal", "", lang="fr"),
    "Spanish": page("Iniciar sesión", "", lang="es"),
    "Portuguese": page("Jornal", "<a>Esqueceu a senha?</a>", lang="pt"),
    "Italian": page("Accedi", "", lang="it"),
    "Dutch": page("Inloggen", "", lang="nl"),
    "Russian": page("Вход в личный кабинет", "", lang="ru"),
    "Chinese": page("用户登录", "", lang="zh"),
    "Japanese": page("ログイン｜新聞", "<p>パスワードをお忘れの方", lang="ja"),
    "Arabic": page("تسجيل الدخول", "", lang="ar"),
}  # fmt: skip

ERRORS = {
    "in the site's dress": page("Page not found – The Daily Example", CHROME),
    "google": page("Error 404 (Not Found)!!1", "<p><b>404.</b> <ins>That’s an error.</ins>"),
    "nginx": "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx/1.18.0",
    "apache": page("403 Forbidden", "<h1>Forbidden</h1><p>You don't have permission to access this resource."),
    "under the site's name": page("The Daily Example", "<h1>Sorry</h1><p>The page you’re looking for can’t be found."),
    "github": page("Site not found · GitHub Pages", "<p>There isn't a GitHub Pages site here."),
    "wordpress's database": page("Database Error", "<h1>Error establishing a database connection</h1>"),
    "wordpress's maintenance": page("Maintenance", "Briefly unavailable for scheduled maintenance. Check back in a minute."),
    "php": "<br />\n<b>Fatal error</b>:  Uncaught mysqli_sql_exception: Can't connect to local MySQL server in <b>/var/www/db.php</b>",
    "suspended": page("Account Suspended", "<p>Contact your hosting provider for more information."),
    "nginx's first page": page("Welcome to nginx!", "<h1>Welcome to nginx!</h1><p>If you see this page, the nginx web server is working"),
    "apache's first page": page("Apache2 Ubuntu Default Page: It works", CHROME),
    "iis": page("IIS Windows Server", '<img src="iisstart.png">'),
    "a folder": page("Index of /feeds", "<h1>Index of /feeds</h1>"),
    "s3": "<html><head><title>404 Not Found</title></head><body><ul><li>Code: NoSuchBucket</li></ul></body></html>",
    "under construction": page("Coming Soon", "<p>Our new site is under construction"),
    "bad gateway": page("502 Bad Gateway", ""),
    "akamai": page("Access Denied", "<p>You don't have permission to access \"http&#58;&#47;&#47;x\" on this server."),
    "German": page("Seite nicht gefunden | Tagblatt", CHROME, lang="de"),
    "German works": page("Tagblatt", "<p>Wegen Wartungsarbeiten sind wir gleich zurück", lang="de"),
    "French": page("Page introuvable - Le Journal", "", lang="fr"),
    "Spanish": page("Página no encontrada", "", lang="es"),
    "Portuguese": page("Página não encontrada | Jornal", "", lang="pt"),
    "Italian": page("Pagina non trovata", "", lang="it"),
    "Dutch": page("Pagina niet gevonden", "", lang="nl"),
    "Russian": page("Страница не найдена", "", lang="ru"),
    "Chinese": page("页面不存在_新闻", "<p>您访问的页面不存在", lang="zh"),
    "Japanese": page("ページが見つかりません", "", lang="ja"),
    "Arabic": page("الصفحة غير موجودة", "", lang="ar"),
}  # fmt: skip

# They hold what the others are known by, and are none of them.
OTHERS = {
    "a front page with everything": page(
        "The Daily Example",
        CHROME + LOGIN_FORM.format("Sign in") + '<div id=px-captcha></div><script src="/_Incapsula_Resource?SWJIYLWA=1"></script>'
        "<button>Accept all cookies</button><script src='https://js.datadome.co/tags.js'></script>"
        '<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>',
    ),
    "an article about bots": page("Are you a robot? What captchas cost us - The Daily Example", CHROME),
    "an article about a login": page("How the login page was invented | History", CHROME),
    "an article about 404": page("404 reasons to be happy", CHROME),
    "an article about a house": page("What to know before you continue a career in law", CHROME),
    "an empty shell": page("The Daily Shell", "<div id=root></div><script src=/app.js></script>"),
    "a short page": page("About us", "<p>We write about the sea."),
    "no title": "<html><body><p>Hello</p></body></html>",
    "an svg with a title": "<html><body><svg><title>Login</title></svg><p>Hello</p></body></html>",
    "commented out": "<html><!-- <title>Log in</title><input type=password> --><body>Hello",
    "nothing": "",
}  # fmt: skip

KINDS = {
    "challenge": CHALLENGES,
    "parked": PARKED,
    "consent": CONSENTS,
    "login": LOGINS,
    "error_page": ERRORS,
    "html": OTHERS,
}
PAGES = [(code, name, text) for code, pages in KINDS.items() for name, text in pages.items()]


@pytest.mark.parametrize(
    ("code", "text"), [pytest.param(code, text, id=f"{code}: {name}") for code, name, text in PAGES]
)
def test_a_page_is_known_for_what_it_is(code: str, text: str) -> None:
    assert impostor.kind(text)[0] == code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (page("Sign in", LOGIN_FORM.format("Go")), "a login page titled 'Sign in'"),
        (page("Just a\n moment..."), "a bot check titled 'Just a moment...'"),
        (page("", "<p>Este dominio está en venta"), "a page for a parked domain"),
        (page("Fish &amp; chips &#x1f41f;\x07"), "HTML page titled 'Fish & chips 🐟'"),
        (page("x" * 5000), f"HTML page titled '{'x' * 100}'"),
        ("<p>Hello", "HTML page"),
    ],
)
def test_it_is_told_with_its_title(text: str, said: str) -> None:
    assert impostor.kind(text)[1] == said


# ---------------------------------------------------------------------------------------------------------- its feed

LINK = '<link rel="alternate" type="application/rss+xml" href="{}">'


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (LINK.format("/feed"), "https://news.example/feed"),
        (LINK.format("?feed=rss2&amp;x=1"), "https://news.example/blog/?feed=rss2&x=1"),
        ('<LINK HREF=https://a.example/a.xml REL=ALTERNATE TYPE="application/atom+xml; charset=utf-8">', "https://a.example/a.xml"),
        ("<link rel='home alternate' type='application/feed+json' href='feed.json' />", "https://news.example/blog/feed.json"),
        ('<base href="https://cdn.example/x/">' + LINK.format("rss"), "https://cdn.example/x/rss"),
        (LINK.format("/comments/feed") + LINK.format("/feed") * 2, "https://news.example/feed https://news.example/comments/feed"),
        (LINK.format("javascript:alert(1)") + LINK.format("feed://x/y") + LINK.format("/b"), "https://news.example/b"),
        (LINK.format("https://user:secret@news.example/feed"), ""),
        (LINK.format("/" + "x" * 600), ""),
        (LINK.format(""), ""),
        ('<link rel="alternate" type="application/json+oembed" href="/oembed">', ""),
        ('<link rel="alternate" hreflang="de" href="/de">', ""),
        ('<link rel="stylesheet" type="application/rss+xml" href="/feed">', ""),
        (f"<!-- {LINK.format('/feed')} -->", ""),
        (f"<script>var x = '{LINK.format('/feed')}'</script>", ""),
    ],
)  # fmt: skip
def test_the_feeds_that_a_page_names_are_found(head: str, named: str) -> None:
    assert " ".join(impostor.feed_links(page("Site", head=head), "https://news.example/blog/")) == named


def test_of_a_page_that_names_many_feeds_a_few_are_told() -> None:
    many = page("Site", head="".join(LINK.format(n) for n in range(1000)))

    assert 0 < len(impostor.feed_links(many, "https://news.example/")) <= 20


def test_the_error_says_what_came_and_where_the_feed_may_be() -> None:
    front = page("The Daily Example", CHROME, head=LINK.format("/rss"))

    assert feeds.refused(front, "text/html") == (
        "html",
        "HTML page titled 'The Daily Example' instead of a feed; it names https://feed.example/rss as its feed",
    )
    assert feeds.refused(LOGINS["gitlab"]) == ("login", "a login page titled 'Sign in · GitLab' instead of a feed")


# ------------------------------------------------------------------------------------------------------- bounds, reality


@pytest.mark.parametrize(
    "unit",
    [
        "<", "<a", "<title>", "<script>", "<style><!--", "<!--", "<!-- -->", "<input type=password ", "<meta a=", '<link a="', "<p>x ",
        "<link rel=alternate type=application/rss+xml href=x>", "<title>x</title>", "a ", "&amp;", "location=", "\u0130", "<b x='", "| ", "<svg>",
    ],
)  # fmt: skip
def test_a_hostile_page_costs_a_bounded_time(unit: str) -> None:
    text = "<html>" + unit * (2_000_000 // len(unit))
    titled = f"<html><title>{unit * 1000}</title><script>{unit * 10_000}</script>"
    started = time.process_time()

    for each in (text, titled):
        impostor.kind(each)
        impostor.feed_links(each, "https://news.example/")

    # Measured: 0.15 s at most.
    assert time.process_time() - started < 3


@pytest.mark.slow
def test_no_recorded_article_is_taken_for_anything_but_a_page(shared: Path) -> None:
    folder = shared / "corpus" / "articles"
    rows = [json.loads(line) for line in gzip.decompress((folder / "index.jsonl.gz").read_bytes()).splitlines()]

    found = {}
    for row in rows:
        path = shared / "corpus" / row["file"]
        body = (path if path.exists() else folder / row["file"]).read_bytes()
        text = (gzip.decompress(body) if row["file"].endswith(".gz") else body).decode("utf-8", "replace")
        if (code := impostor.kind(text)[0]) != "html":
            found[row["file"]] = code

    assert len(rows) == 379
    assert found == {}
