"""An HTML page that came in place of a feed → what kind of page it is, in a word and in words, and the feed it names. Never a guess about
a page that says a lot: only its title, its host's own signature or a handful of words are evidence.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aggregator import markup
from aggregator.feed import entry

# Real pages of these kinds have some tens of kilobytes, most of it style.
_LOOKED_AT = 200_000
# Of visible text: more than a page with little on it can have.
_MOST_TEXT = 8_000
_LONGEST_TITLE, _LONGEST_ATTRIBUTES, _LONGEST_LINK = 1_000, 4_000, 500
_MOST_LINKS = 5
# Words on a page that has nothing else to say than what it is.
_FEW, _HARDLY_ANY = 150, 40

_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"})

# What is said of it, and the word that is kept.
_SAID = {
    "challenge": "a bot check",
    "parked": "a page for a parked domain",
    "consent": "a consent page",
    "login": "a login page",
    "error_page": "an error page",
    "html": "HTML page",
}

# --------------------------------------------------------------------------------------------------------- evidence

# What a title, or a part of one between the separators that sites put around their names, is as a whole. Patterns, in lower case.
_TITLES = {
    "challenge": r"""
        just a moment | one moment,? please | please wait | attention required | checking (?:your|the) browser.{0,40} | ddos[- ]guard |
        security check(?:point)? | vercel security checkpoint | client challenge | human verification | robot check | robot or human |
        bot (?:verification|detection|check) | are you a (?:ro)?bot | (?:please )?verify(?:ing)? (?:that )?you are (?:a )?human |
        you are being redirected | making sure you're not a bot | pardon our interruption | captcha | captcha challenge |
        recaptcha | access to this page has been denied | i am not a robot | validating (?:your )?browser | ddos protection.{0,40} |
        einen moment(?: bitte)? | nur einen moment | un instant | un momento | un momento por favor | um momento(?: por favor)? |
        een ogenblik(?: geduld)? | один момент | минуточку | подождите | вы не робот | проверка браузера | 请稍候 | 请稍等 | 安全验证 |
        百度安全验证 | 人机验证 | 滑动验证页面 | しばらくお待ちください | ロボットではありません | لحظة من فضلك | لحظة | انتظر لحظة
    """,
    "parked": r"""
        .{0,80}\bis for sale | .{0,80}(?:domain )?(?:is )?parked(?: domain)?(?: page)?(?: (?:at|by|with) .{1,40})? |
        domain (?:for sale|parking) | parking page | hugedomains.{0,40} | (?:this )?domain (?:name )?(?:is |may be )?for sale |
        domain (?:has )?expired | expired domain | .{0,80}(?:this )?domain has expired | .{0,80}steht zum verkauf |
        .{0,80}est [àa] vendre | .{0,80}est[áa] (?:en|[àa]) venta | .{0,80}est[áa] [àa] venda | .{0,80}è in vendita | .{0,80}is te koop |
        .{0,80}is gereserveerd | домен .{0,80}(?:прода[её]тся|припаркован) | .{0,80}域名(?:出售|转让|停放).{0,20} |
        .{0,80}正在出售.{0,20} | このドメイン.{0,40} | .{0,80}للبيع
    """,
    "error_page": r"""
        (?:http )?(?:error |fehler |erreur |errore? |erro |fout |ошибка |错误)?:? ?[45]\d\d(?: error)? |
        (?:http )?(?:error )?(?:404|410)?[ :(-]*(?:page|file|site|url|content|article|document|feed)? ?not found.{0,6} |
        (?:this |the )?(?:page|site|content|article|feed) (?:can(?:not|'t)|could not) be found |
        (?:this |the )?(?:page|site|content|article|feed) (?:does(?: not|n't) exist|no longer exists|(?:is )?(?:un|not |no longer )available) |
        (?:http )?(?:error )?[45]\d\d[ :-]+(?:forbidden|unauthorized|gone|bad (?:gateway|request)|service (?:temporarily )?unavailable) |
        (?:http )?(?:error )?5\d\d[ :-]+(?:internal server error|gateway time-?out) | oops | (?:oops[!.,]* )?something went wrong |
        forbidden | access (?:is )?denied | permission denied | bad request | bad gateway | internal server error | server error |
        service (?:temporarily )?unavailable | error | an error (?:has )?occurred | application error | runtime error | fatal error |
        website error | (?:database|wordpress|mysql) (?:connection )?error | error establishing a database connection | database error |
        (?:under |site |website |scheduled )?maintenance(?: mode)? | under construction | down for maintenance |
        temporarily (?:down|unavailable|offline) |
        (?:site|website) (?:is )?(?:offline|down|under maintenance|under construction|suspended|disabled) | coming soon |
        (?:this )?account (?:has been )?(?:suspended|disabled) | suspended | suspended (?:page|domain|site) |
        welcome to (?:nginx|caddy|centos|openresty|tengine|apache).{0,30} | apache2? .{0,40}default page.{0,20} |
        apache http server test page.{0,60} | test page for .{0,80} | iis windows(?: server)? |
        default (?:web ?site|web|parallels plesk|plesk|cpanel|index|virtualmin) ?(?:site )?page | default page |
        web server's default page | it works[!]* | index of /.{0,120} | seite (?:wurde )?nicht gefunden | nicht gefunden | wartung |
        wartungs(?:arbeiten|modus) | zugriff verweigert | datenbankfehler | fehler | page (?:non trouvée|introuvable) | introuvable |
        accès (?:refusé|interdit) | site en maintenance | en maintenance | erreur | page inexistante | página no encontrada |
        no encontrad[oa] | acceso denegado | en mantenimiento | mantenimiento | sitio en mantenimiento | página não encontrada |
        não encontrad[oa] | acesso negado | em manutenção | manutenção | site em manutenção | pagina non trovata | non trovat[oa] |
        accesso negato | in manutenzione | manutenzione | sito in manutenzione | pagina niet gevonden | niet gevonden |
        toegang geweigerd | onderhoud | in onderhoud | страница не найдена | не найден[ао]? | доступ (?:запрещ[её]н|закрыт) |
        технические работы | сайт на обслуживании | 页面不存在 | 页面未找到 | 找不到页面 | 未找到 | 网站维护中? | 系统维护中? |
        访问被拒绝 | 您访问的页面不存在 | 404页面 | ページが見つかりません(?:でした)? | お探しのページは.{0,30} | 見つかりません |
        メンテナンス中? | アクセス拒否 | الصفحة غير موجودة | غير موجودة? | صيانة | تحت الصيانة
    """,
    "consent": r"""
        before you continue(?: to .{1,60})? | bevor sie (?:zu .{1,60} )?(?:weitergehen|fortfahren) | avant d'accéder à .{1,60} |
        antes de continuar.{0,60} | antes de ir .{0,60} | prima di continuare.{0,60} | voordat je (?:verdergaat|doorgaat).{0,60} |
        .{0,60}прежде чем (?:продолжить|перейти).{0,60} | (?:cookie|privacy) (?:consent|settings|notice|wall|gate) |
        your privacy choices | we value your privacy | .{0,40}privacy (?:center|gate) | cookie[- ]?(?:einstellungen|zustimmung|hinweis) |
        einwilligung | zustimmung | datenschutz[- ]?einstellungen | gestion des cookies | consentement | consentimiento(?: de cookies)? |
        consentimento(?: de cookies)? | consenso(?: ai cookie)? | toestemming | cookiemelding | согласие(?: на .{1,60})? | ご利用の前に |
        继续前请先.{0,40} | قبل المتابعة.{0,40}
    """,
    "login": r"""
        (?:please )?(?:log|sign) ?-?(?:in|on)(?: (?:to|or|with|page|required) ?.{0,60})? | login | login page |
        (?:member|user|account|admin|staff) ?(?:login|sign ?in) | single sign[- ]on | sso | authentication(?: required)? | web ?login |
        anmelden | anmeldung | einloggen | bitte (?:anmelden|einloggen) | se connecter | connexion | authentification | s'identifier |
        iniciar sesión | inicio de sesión | inicia sesión | acceder | identificarse | iniciar sessão | entrar | fazer login | acesso |
        acessar | accedi | accesso | effettua il login | inloggen | aanmelden | log in op .{1,40} | вход | войти | авторизация |
        вход в .{1,60} | вход на .{1,60} | 登录 | 登入 | 用户登录 | 登陆 | 会员登录 | ログイン | サインイン | تسجيل الدخول | الدخول
    """,
}

# Nobody else has these in the source of a page, however much is on it. In lower case, as all that follows.
_SURE = {
    "challenge": """
        _cf_chl_opt | cf-browser-verification | /cdn-cgi/challenge-platform/h/b/orchestrate/ |
        /cdn-cgi/challenge-platform/h/g/orchestrate/ | /.within.website/x/cmd/anubis | anubis_challenge | sucuri_cloudproxy_js |
        /.well-known/sgcaptcha/ | /.well-known/vercel/security/ | distil_r_captcha | acw_sc__v2
    """,
    "consent": """
        action="https://consent.google. | action="https://consent.youtube. | consent.yahoo.com/v2/collectconsent |
        consent.google.com/save | consent.youtube.com/save
    """,
}

# These prove something of a page with few words: others have them too, as an unobtrusive check, or for comments.
_SIGNATURES = {
    "parked": """
        sedoparking.com | sedo.com/search/details | sedo.com/services/parking | parkingcrew.net | parklogic.com | bodis.com |
        cdn.dan.com | dan.com/buy-domain | hugedomains.com/domain_profile | afternic.com/forsale | afternic.com/domain/ | parking-lander |
        wsimg.com/parking | location.href="/lander" | location.href='/lander' | above.com/marketplace | voodoo.com/parking |
        domainmarket.com/buynow | undeveloped.com | epik.com/domain | squadhelp.com/name | atom.com/name | namebright.com/parked |
        parked-content.godaddy.com | skenzo.com | domainsponsor.com | cashparking | rookmedia.net | domainparking.ru |
        parking.reg.ru | parking.nic.ru | dsparking.com | d38psrni17bvxu.cloudfront.net | sav.com/domain | spaceship.com/parking |
        nicsell.com | porkbun.com/parking | ionos-parking | img.sedoparking
    """,
    "challenge": """
        captcha-delivery.com | px-captcha | px-captcha-modal | captcha.px-cdn.net | captcha.px-cloud.net | _incapsula_resource |
        incapsula incident id | awswafcookiedomainlist | gokuprops | token.awswaf.com | sec-if-cpt-container | /_sec/cp_challenge |
        bm-verify | ddos-guard.net | validate.perfdrive.com | kpsdk | slowaes.decrypt | /_fs-ch- | showcaptcha | smartcaptcha |
        geetest.com | wappass.baidu.com | aliyun_waf | challenges.cloudflare.com/turnstile | hcaptcha.com/1/api.js | friendlycaptcha |
        <altcha-widget | waf_captcha | bunkerweb | qrator | wsidchk | lscache_recaptcha | go-away/cmd
    """,
    "consent": "guce.yahoo.com/consent | guce.oath.com/ | myprivacy.dpgmedia | cmp-redirect",
}

# What a page with few words says.
_PHRASES = {
    "challenge": """
        checking your browser | checking if the site connection is secure | verify you are human | verify that you are human |
        verifying you are human | verify you are not a robot | you are not a robot | are not a robot | i'm not a robot |
        i am not a robot | complete the captcha | complete the security check | enable javascript and cookies to continue |
        needs to review the security of your connection | unusual traffic from your | your request is being verified |
        request unsuccessful. incapsula | ddos protection by | this process is automatic. your browser will redirect |
        press & hold to confirm | protected by anubis | making sure you're not a bot | überprüfung ihres browsers |
        bestätigen sie, dass sie ein mensch sind | sie kein roboter sind | vérification de votre navigateur | vous n'êtes pas un robot |
        vérifiez que vous êtes humain | comprobando su navegador | no eres un robot | no es un robot | verifica que eres humano |
        verificando seu navegador | não é um robô | não sou um robô | non sei un robot | verifica di essere umano | geen robot bent |
        controleren van uw browser | подтвердите, что вы не робот | вы не робот | проверка вашего браузера | я не робот | 请完成安全验证 |
        验证您是真人 | 确认您是真人 | 正在检查您的浏览器 | 私はロボットではありません | あなたがロボットでない |
        ブラウザを確認しています | لست روبوت | التحقق من أنك إنسان | جارٍ التحقق من المتصفح
    """,
    "parked": """
        domain is for sale | domain name is for sale | domain may be for sale | buy this domain | domain is parked |
        domain has been parked | domain name has been registered | domain has expired | domain name has expired |
        this domain is registered | inquire about this domain | parked free, courtesy of | parked domain | get this domain |
        make an offer on this domain | domain steht zum verkauf | domain ist geparkt | domain kaufen | diese domain wurde |
        ce domaine est à vendre | domaine est à vendre | domaine est parké | dominio está en venta | dominio a la venta |
        dominio está a la venta | dominio está aparcado | domínio está à venda | domínio à venda | dominio è in vendita |
        dominio in vendita | dominio è parcheggiato | domein is te koop | domeinnaam is te koop | domeinnaam is geregistreerd |
        домен продается | домен продаётся | домен припаркован | домен зарегистрирован | 该域名正在出售 | 域名出售 | 此域名 | 购买此域名 |
        このドメインは | ドメインを購入 | هذا النطاق للبيع | النطاق معروض للبيع
    """,
    "error_page": """
        page not found | page you requested | page you are looking for | page you were looking for | page you're looking for |
        requested url was not found | page cannot be found | page can't be found | page does not exist |
        page doesn't exist | no longer available at this address | error 404 | 404 error | 404 not found |
        http error 404 | error establishing a database connection | could not connect to the database | can't connect to local mysql |
        sqlstate[ | uncaught exception | fatal error: | there has been a critical error on this website |
        briefly unavailable for scheduled maintenance | down for maintenance | undergoing maintenance | under maintenance |
        we'll be back soon | under construction | account has been suspended | account suspended |
        this site has been suspended | website is suspended | site has been disabled | default web page | default page for this server |
        successfully installed and working | if you see this page, the nginx | is used to test the proper operation of the apache |
        there isn't a github pages site here | no such app | no such site | don't have permission to access | you have been blocked |
        service unavailable | temporarily unavailable | internal server error | bad gateway | site not found | repository not found |
        deployment_not_found | nosuchbucket | this shop is currently unavailable | sorry, this shop | site is no longer available |
        seite wurde nicht gefunden | seite nicht gefunden | seite existiert nicht | wartungsarbeiten | wartungsmodus | page introuvable |
        page demandée n'existe pas | page n'existe pas | page non trouvée | en cours de maintenance |
        página no encontrada | página que buscas no existe | página solicitada no | en mantenimiento | página não encontrada |
        página não existe | em manutenção | pagina non trovata | pagina richiesta non | in manutenzione | pagina niet gevonden |
        pagina bestaat niet | страница не найдена | такой страницы не существует | страница не существует | технические работы |
        сайт заблокирован | 页面不存在 | 找不到您要访问的页面 | 您访问的页面 | 网站维护 | 系统维护 | 站点已暂停 | ページが見つかりません |
        ページは存在しません | メンテナンス中 | الصفحة غير موجودة | الصفحة المطلوبة غير | تحت الصيانة
    """,
    "login": """
        you must be logged in | you need to log in | please log in to | please sign in to | log in to continue | sign in to continue |
        login required | authentication required | forgot your password | forgot password | bitte melden sie sich an |
        passwort vergessen | mot de passe oublié | veuillez vous connecter | olvidaste tu contraseña | olvidó su contraseña |
        debe iniciar sesión | esqueceu a senha | esqueceu sua senha | password dimenticata | wachtwoord vergeten | забыли пароль |
        необходимо авторизоваться | 忘记密码 | 请先登录 | パスワードをお忘れ | نسيت كلمة المرور | نسيت كلمة السر
    """,
    "consent": """
        before you continue | we use cookies and data to | accept all cookies | agree to our use of cookies |
        consent to the use of cookies | we and our partners store and/or access | cookies akzeptieren | alle cookies akzeptieren |
        alle akzeptieren | einwilligung in die | zustimmen und weiter | accepter les cookies | tout accepter | accepter et continuer |
        aceptar todas las cookies | aceptar cookies | aceptar y continuar | aceitar todos os cookies | aceitar cookies |
        accetta tutti i cookie | accetta e continua | accetta i cookie | alle cookies accepteren | cookies accepteren |
        akkoord en doorgaan | принять все файлы cookie | принять все cookie | 接受所有cookie | 接受所有 cookie | 全部接受 |
        すべてのcookieを | cookieに同意 | قبول جميع ملفات تعريف الارتباط | قبول الكل
    """,
}

# Where a page with hardly any words sends the browser.
_SENT_TO_LOGIN = ("login", "signin", "sign-in", "sign_in", "/sso", "/auth", "oauth", "/cas/", "anmeld", "connexion")
_SENT_TO_CONSENT = ("consent", "cookiewall", "cookie-wall", "privacygate", "privacy-gate", "guce.")
_SENT = re.compile(
    r"""location(?:\.(?:href|replace|assign))?\s{0,9}(?:=|\()\s{0,9}["'`]([^"'`<>\s]{1,500})["'`]""", re.IGNORECASE
)

_SEPARATORS = re.compile(r"\s[|\-–—·•:»«/~]+\s|[|»«·•]|::|:\s")
_TRIMMED = " \t.…!?¡¿。！？،؟,:;-–—|[](){}\"'“”„«»"


def _listed(words: str) -> tuple[str, ...]:
    return tuple(re.split(r"\s\|\s+", words.strip()))


_WHOLE = {code: re.compile("|".join(_listed(titles))) for code, titles in _TITLES.items()}
_SURE_SIGNS = {code: _listed(signs) for code, signs in _SURE.items()}
_SIGNS = {code: _listed(signs) for code, signs in _SIGNATURES.items()}
_SAYINGS = {code: _listed(phrases) for code, phrases in _PHRASES.items()}

# ------------------------------------------------------------------------------------------------------------- a page

_TAG = re.compile(r"<(/?[A-Za-z][A-Za-z0-9:-]*)([^<>]*)>")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++))""")
# Their content is no text; a title's is, but not the page's.
_OPAQUE = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in ("script", "style", "template", "svg", "title")}


@dataclass(slots=True)
class _Page:
    """What a page shows and where it sends. `scripts` are those written into it, `feeds` whether of comments, and where."""

    title: str = ""
    text: list[str] = field(default_factory=list)
    length: int = 0
    passwords: int = 0
    refresh: str = ""
    base: str = ""
    feeds: list[tuple[bool, str]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def shows(self, text: str) -> None:
        if self.length < _MOST_TEXT and (text := text[:_MOST_TEXT].strip()):
            self.text.append(text)
            self.length += len(text)


def kind(text: str) -> tuple[str, str]:
    """What the page `text` is: `challenge`, `parked`, `consent`, `login`, `error_page` or else `html`; and a noun phrase that says so,
    with its title."""
    page = _scanned(text)
    code = _code(page, text[:_LOOKED_AT].lower())
    title = markup.line(html.unescape(page.title), 100)
    return code, f"{_SAID[code]} titled {title!r}" if title else _SAID[code]


def feed_links(text: str, url: str) -> tuple[str, ...]:
    """The feeds that the page `text` at `url` names as its own, those of comments last: http(s) URLs of at most 500 characters."""
    page = _scanned(text)
    base = (entry.address(page.base, url) if page.base else None) or url
    # A feed of comments is hardly ever meant, and sometimes first.
    named = [entry.address(href, base) for _, href in sorted(page.feeds[:20], key=lambda one: one[0]) if href]
    # They are shown in messages, where a password must not be.
    shown = [one for one in named if one and len(one) <= _LONGEST_LINK and "@" not in urlsplit(one).netloc]
    return tuple(dict.fromkeys(shown))[:_MOST_LINKS]


def _code(page: _Page, source: str) -> str:
    """The kind of the page, by the best evidence there is."""
    shown = _plain(" ".join(page.text))
    words = markup.count_words(shown)
    if code := _found(_SURE_SIGNS, source) or _titled(page.title):
        return code
    if words > _FEW:
        return "html"
    if page.passwords:
        return "login"
    sent = _sent(page) if words <= _HARDLY_ANY else None
    return _found(_SIGNS, source) or sent or _found(_SAYINGS, shown) or "html"


def _found(evidence: Mapping[str, Sequence[str]], text: str) -> str | None:
    return next((code for code, signs in evidence.items() if any(sign in text for sign in signs)), None)


def _titled(title: str) -> str | None:
    """What a title says of its page, or a part of it."""
    whole = _plain(title)[:300]
    parts = [part.strip(_TRIMMED) for part in (whole, *_SEPARATORS.split(whole))]
    return next((code for code, known in _WHOLE.items() if any(known.fullmatch(part) for part in parts)), None)


def _plain(text: str) -> str:
    """`text` in lower case, on one line and with straight apostrophes."""
    return " ".join(html.unescape(text).split()).lower().replace("’", "'")


def _sent(page: _Page) -> str | None:
    """What kind of page the browser is sent on to, if its address tells."""
    sent = _SENT.search(" ".join(page.scripts)[:20_000])
    target = (page.refresh or (sent[1] if sent else "")).lower()
    if any(word in target for word in _SENT_TO_CONSENT):
        return "consent"
    return "login" if any(word in target for word in _SENT_TO_LOGIN) else None


def _scanned(text: str) -> _Page:
    """One pass over the first of `text`, each character looked at a few times at most."""
    text, page, at = text[:_LOOKED_AT], _Page(), 0
    while (start := text.find("<", at)) >= 0:
        page.shows(text[at:start])
        if text.startswith("<!--", start):
            at = text.find("-->", start)
            if at < 0:
                return page
            at += 3
            continue
        tag = _TAG.match(text, start)
        if tag is None:
            at = start + 1
            continue
        name, at = tag[1].lower(), tag.end()
        if name in _OPAQUE:
            end = _OPAQUE[name].search(text, at)
            inside = text[at : end.start() if end else len(text)]
            if name == "title" and not page.title:
                page.title = inside[:_LONGEST_TITLE]
            elif name == "script":
                page.scripts.append(inside[:_LONGEST_ATTRIBUTES])
            if end is None:
                return page
            at = end.start()
        elif name in ("input", "meta", "link", "base"):
            _note(page, name, dict(_attributes(tag[2])))
    page.shows(text[at:])
    return page


def _note(page: _Page, name: str, told: dict[str, str]) -> None:
    if name == "input":
        page.passwords += told.get("type", "").lower() == "password"
        if told.get("type", "").lower() in ("submit", "button"):
            page.shows(told.get("value", ""))
    elif name == "meta":
        if told.get("http-equiv", "").lower() == "refresh" and not page.refresh:
            page.refresh = told.get("content", "").partition(";")[2]
    elif name == "base":
        page.base = page.base or told.get("href", "")
    elif _leads_to_feed(told):
        of_comments = "comment" in f"{told.get('href', '')} {told.get('title', '')}".lower()
        page.feeds.append((of_comments, told.get("href", "")))


def _leads_to_feed(told: Mapping[str, str]) -> bool:
    kind_told = told.get("type", "").partition(";")[0].strip().lower()
    return kind_told in _FEED_TYPES and "alternate" in told.get("rel", "").lower().split()


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for found in _ATTRIBUTE.finditer(text[:_LONGEST_ATTRIBUTES]):
        yield found[1].lower(), html.unescape(found[2] or found[3] or found[4] or "")
