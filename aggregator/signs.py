"""What pages say and hold that have nothing else to say: the titles, phrases and marks of bot checks, consent and login pages, paywalls,
errors, in many languages. Only words; what they prove is up to who looks for them."""

import re

# What a title, or a part of one between the separators that sites put around their names, is as a whole. Patterns, in lower case.
_TITLES = {
    "challenge": r"""
        just a moment | one moment,? please | please wait | attention required | checking (?:your|the) browser.{0,40} | ddos[- ]guard |
        security check(?:point)? | vercel security checkpoint | client challenge | human verification | robot check | robot or human |
        bot (?:verification|detection|check) | are you a (?:ro)?bot | (?:please )?verify(?:ing)? (?:that )?you are (?:a )?human |
        you are being redirected | making sure you're not a bot | pardon our interruption | captcha | captcha challenge | recaptcha |
        access to this page has been denied | i am not a robot | validating (?:your )?browser | ddos protection.{0,40} |
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
    "missing": r"""
        (?:http )?(?:error |fehler |erreur |errore? |erro |fout |ошибка |错误)?:? ?4(?:04|10)(?: error)? |
        (?:http )?(?:error )?(?:404|410)?[ :(-]*(?:page|file|site|url|content|article|document|feed|story)? ?not found.{0,6} |
        (?:this |the )?(?:page|site|content|article|feed) (?:can(?:not|'t)|could not) be found |
        (?:this |the )?(?:page|site|content|article|feed) (?:does(?: not|n't) exist|no longer exists|(?:is )?(?:un|not |no longer )available) |
        (?:http )?(?:error )?410[ :-]+gone | oops | seite (?:wurde )?nicht gefunden | nicht gefunden | page (?:non trouvée|introuvable) |
        introuvable | page inexistante | página no encontrada | no encontrad[oa] | página não encontrada | não encontrad[oa] |
        pagina non trovata | non trovat[oa] | pagina niet gevonden | niet gevonden | nie znaleziono(?: strony)? | strona nie istnieje |
        strona nie została znaleziona | sidan (?:hittades inte|kunde inte hittas|finns inte) |
        siden (?:blev|ble)? ?ikke (?:fundet|funnet) | sivua ei löyt(?:ynyt|ydy) | stránka nenalezena | sayfa bulunamadı |
        страница не найдена | не найден[ао]? | 页面不存在 | 页面未找到 | 找不到页面 | 未找到 | 您访问的页面不存在 | 404页面 |
        ページが見つかりません(?:でした)? | お探しのページは.{0,30} | 見つかりません | 페이지를 찾을 수 없습니다 | الصفحة غير موجودة |
        غير موجودة? | لم يتم العثور على الصفحة
    """,
    "denied": r"""
        (?:http )?(?:error |fehler |erreur |errore? |erro |fout |ошибка |错误)?:? ?40[13](?: error)? |
        (?:http )?(?:error )?40[13][ :-]+(?:forbidden|unauthorized|access denied) | forbidden |
        access (?:is |to this (?:page|site) is )?denied | permission denied | request blocked | (?:sorry, )?you have been blocked |
        zugriff verweigert | accès (?:refusé|interdit) | acceso denegado | acesso negado | accesso negato | toegang geweigerd |
        brak dostępu | odmowa dostępu | доступ (?:запрещ[её]н|закрыт) | erişim engellendi | åtkomst nekad | 访问被拒绝 | アクセス拒否 |
        تم رفض الوصول
    """,
    "rate": r"""
        (?:http )?(?:error |fehler |erreur |errore? |erro |fout |ошибка |错误)?:? ?429(?: error)? |
        (?:http )?(?:error )?(?:429)?[ :-]*too many requests | (?:you have been )?rate[- ]limited | slow down | zu viele anfragen |
        trop de requêtes | demasiadas solicitudes | troppe richieste | te veel verzoeken | zbyt wiele żądań | слишком много запросов |
        リクエストが多すぎます | 请求过于频繁 | 访问过于频繁
    """,
    "server": r"""
        (?:http )?(?:error |fehler |erreur |errore? |erro |fout |ошибка |错误)?:? ?[45]\d\d(?: error)? |
        (?:http )?(?:error )?[45]\d\d[ :-]+(?:bad (?:gateway|request)|service (?:temporarily )?unavailable) |
        (?:http )?(?:error )?5\d\d[ :-]+(?:internal server error|gateway time-?out) | (?:oops[!.,]* )?something went wrong | bad request |
        bad gateway | internal server error | server error | service (?:temporarily )?unavailable | error | an error (?:has )?occurred |
        application error | runtime error | fatal error | website error | (?:database|wordpress|mysql) (?:connection )?error |
        error establishing a database connection | database error | temporarily (?:down|unavailable|offline) | datenbankfehler | fehler |
        erreur | interner serverfehler | erreur interne du serveur | error interno del servidor | errore interno del server |
        erro interno do servidor | interne serverfout | ошибка сервера | サーバーエラー | 服务器错误 | خطأ في الخادم
    """,
    "paused": r"""
        (?:under |site |website |scheduled )?maintenance(?: mode)? | under construction | down for maintenance |
        (?:we'll|we will) be (?:right )?back(?: soon)? | (?:site|website) (?:is )?(?:offline|down|under maintenance|under construction) |
        coming soon | wartung | wartungs(?:arbeiten|modus) | site en maintenance | en maintenance | en mantenimiento | mantenimiento |
        sitio en mantenimiento | em manutenção | manutenção | site em manutenção | in manutenzione | manutenzione | sito in manutenzione |
        onderhoud | in onderhoud | przerwa techniczna | prace (?:techniczne|konserwacyjne) | underhåll | bakım çalışması |
        технические работы | сайт на обслуживании | 网站维护中? | 系统维护中? | (?:ただいま)?メンテナンス中?(?:です)? | صيانة |
        تحت الصيانة
    """,
    "suspended": r"""
        (?:site|website) (?:is )?(?:suspended|disabled) | (?:this )?account (?:has been )?(?:suspended|disabled) | suspended |
        suspended (?:page|domain|site)
    """,
    "default": r"""
        welcome to (?:nginx|caddy|centos|openresty|tengine|apache).{0,30} | apache2? .{0,40}default page.{0,20} |
        apache http server test page.{0,60} | test page for .{0,80} | iis windows(?: server)? |
        default (?:web ?site|web|parallels plesk|plesk|cpanel|index|virtualmin) ?(?:site )?page | default page |
        web server's default page | it works[!]*
    """,
    "files": r"""
        index of /.{0,120}
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
    "region": r"""
        (?:http )?(?:error )?451.{0,60} | unavailable (?:due to|for) legal reasons |
        (?:content )?(?:not|un)available in your (?:region|country|location) | nicht verfügbar in (?:ihrer region|ihrem land) |
        non disponible dans votre (?:pays|région) | no disponible en (?:su|tu) (?:país|región)
    """,
    "age": r"""
        age (?:verification|gate|check|restricted(?: content)?) | (?:please )?(?:verify|confirm) your age |
        are you (?:of legal age|over 18|18 or older|of legal drinking age)\W* | altersprüfung | alterskontrolle | vérification de l'âge |
        verificación de edad | verifica dell'età | verificação de idade | leeftijdscontrole | weryfikacja wieku | проверка возраста |
        年齢確認 | 年龄验证
    """,
    "browser": r"""
        (?:your )?(?:browser|web browser) (?:is )?(?:not supported|unsupported|out of date|outdated) |
        (?:unsupported|outdated|old) browser | (?:please )?(?:update|upgrade) your browser |
        (?:ihr )?browser (?:ist )?(?:veraltet|wird nicht unterstützt) | navigateur (?:obsolète|non pris en charge) |
        navegador (?:obsoleto|no compatible|não suportado|desatualizado) | browser (?:obsoleto|non supportato|niet ondersteund|verouderd)
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
        parked-content.godaddy.com | skenzo.com | domainsponsor.com | cashparking | rookmedia.net | domainparking.ru | parking.reg.ru |
        parking.nic.ru | dsparking.com | d38psrni17bvxu.cloudfront.net | sav.com/domain | spaceship.com/parking | nicsell.com |
        porkbun.com/parking | ionos-parking | img.sedoparking
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
    "missing": """
        page not found | page you requested | page you are looking for | page you were looking for | page you're looking for |
        requested url was not found | page cannot be found | page can't be found | can't find that page | can't find the page |
        couldn't find that page | couldn't find the page | could not find the page | page does not exist | page doesn't exist |
        article is no longer available | story is no longer available | no longer available at this address | error 404 | 404 error |
        404 not found | http error 404 | seite wurde nicht gefunden | seite nicht gefunden | seite existiert nicht | gesuchte seite |
        angeforderte seite | artikel ist nicht mehr verfügbar | page introuvable | page demandée n'existe pas | page n'existe pas |
        page non trouvée | page que vous recherchez | article n'est plus disponible | página no encontrada | página que buscas no existe |
        página que busca | página solicitada no | página não encontrada | página não existe | página que procura | pagina non trovata |
        pagina richiesta non | pagina che cerchi | pagina che stai cercando | pagina niet gevonden | pagina bestaat niet |
        pagina die je zoekt | pagina die u zoekt | nie znaleziono strony | strona nie istnieje | strona, której szukasz | podana strona |
        sidan hittades inte | sidan kunde inte hittas | sidan du söker | siden du leter etter | siden du leder efter | sivua ei löytynyt |
        stránka nebyla nalezena | aradığınız sayfa | sayfa bulunamadı | страница не найдена | такой страницы не существует |
        страница не существует | запрашиваемая страница | 页面不存在 | 找不到您要访问的页面 | 您访问的页面 | 页面已删除 |
        ページが見つかりません | ページは存在しません | お探しのページ | 페이지를 찾을 수 | الصفحة غير موجودة | الصفحة المطلوبة غير |
        الصفحة التي تبحث عنها | no encontramos lo que busca | page you have requested | story has been removed |
        article has been removed | article is no longer | von ihnen gesuchte | von ihnen aufgerufene | cette page n'est plus |
        ya no está disponible | ya no existe | non è più disponibile | niet meer beschikbaar | nie jest już dostępn | お探しの記事 |
        掲載期間が終了 | 您要找的页面 | لم نعثر على | не существует | больше не доступна
    """,
    "denied": """
        don't have permission to access | you have been blocked | access denied | access to this page has been denied |
        access to this site has been denied | not authorized to view | zugriff verweigert | keine berechtigung | accès refusé |
        accès interdit | acceso denegado | acesso negado | accesso negato | toegang geweigerd | brak dostępu | доступ запрещ |
        访问被拒绝 | access to this site has been limited | unable to access this site | toegang tot deze site |
        zugang zu dieser seite wurde | accès à ce site a été | acceso a este sitio ha sido
    """,
    "rate": """
        too many requests | rate limit | zu viele anfragen | trop de requêtes | demasiadas solicitudes | demasiadas peticiones |
        muitas solicitações | muitos pedidos | troppe richieste | te veel verzoeken | zbyt wiele żądań | zbyt wiele zapytań |
        слишком много запросов | リクエストが多すぎ | アクセスが集中 | 请求过于频繁 | 访问过于频繁 | طلبات كثيرة | trop de demandes |
        demasiadas consultas | zu häufig | za dużo zapytań | çok fazla istek
    """,
    "server": """
        error establishing a database connection | could not connect to the database | can't connect to local mysql | sqlstate[ |
        uncaught exception | fatal error: | there has been a critical error on this website | critical error on your website |
        kritischer fehler auf deiner website | kritischen fehler auf dieser website | erreur critique sur ce site |
        error crítico en esta web | error crítico en este sitio | errore critico sul tuo sito | erro crítico neste site |
        kritieke fout op deze site | service unavailable | temporarily unavailable | internal server error | bad gateway |
        site not found | repository not found | there isn't a github pages site here | no such app | no such site | deployment_not_found |
        nosuchbucket | vorübergehend nicht erreichbar | erreur interne | error interno | errore interno | erro interno | interne fout |
        wewnętrzny błąd | внутренняя ошибка | サーバーエラー | 服务器内部错误 | خطأ داخلي
    """,
    "paused": """
        briefly unavailable for scheduled maintenance | down for maintenance | undergoing maintenance | under maintenance |
        scheduled maintenance | we'll be back soon | be back shortly | under construction | wartungsarbeiten | wartungsmodus |
        en cours de maintenance | en maintenance | en mantenimiento | tareas de mantenimiento | em manutenção | in manutenzione |
        gepland onderhoud | onderhoudswerkzaamheden | przerwa techniczna | prace konserwacyjne | prace techniczne | planerat underhåll |
        bakım çalışması | технические работы | 网站维护 | 系统维护 | メンテナンス中 | تحت الصيانة | أعمال صيانة
    """,
    "suspended": """
        account has been suspended | account suspended | this site has been suspended | website is suspended | site has been disabled |
        this shop is currently unavailable | sorry, this shop | site is no longer available | сайт заблокирован | 站点已暂停 |
        cuenta ha sido suspendida | cuenta suspendida | konto wurde gesperrt | compte a été suspendu | compte suspendu |
        conta foi suspensa | account è stato sospeso | account is opgeschort | konto zostało zawieszone
    """,
    "default": """
        default web page | default page for this server | default welcome page used to test | successfully installed and working |
        if you see this page, the nginx | is used to test the proper operation of the | replace this file (located at
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
        すべてのcookieを | cookieに同意 | قبول جميع ملفات تعريف الارتباط | قبول الكل | wyrażasz zgodę na | aceptar el uso de cookies |
        aceptas el uso de cookies | acepta las cookies | nos partenaires déposent | dépôt de cookies | consent to use your personal data |
        çerezleri kabul | godkänn alla cookies | acceptera alla cookies | tillad alle cookies | godta alle | evästeet | souhlasím s
    """,
    "script": """
        enable javascript | turn on javascript | activate javascript | javascript is disabled | javascript is required |
        javascript is not enabled | javascript seems to be disabled | requires javascript | needs javascript |
        javascript to run this app | javascript aktivieren | aktivieren sie javascript | javascript ist deaktiviert | activer javascript |
        activez javascript | javascript est désactivé | activar javascript | active javascript | javascript está desactivado |
        javascript está deshabilitado | habilite javascript | habilite o javascript | ative o javascript | abilita javascript |
        abilitare javascript | javascript è disabilitato | javascript inschakelen | schakel javascript in | włącz javascript |
        włączyć javascript | aktivera javascript | javascript'i etkinleştir | включите javascript | javascript отключен |
        javascriptを有効 | 启用javascript | 启用 javascript | 開啟javascript | تفعيل جافا سكريبت | تفعيل javascript
    """,
    "region": """
        unavailable due to legal reasons | unavailable for legal reasons | not available in your region | not available in your country |
        unavailable in your region | unavailable in your country | unavailable in most european countries | european economic area (eea) |
        not available in your location | in ihrer region nicht verfügbar | in ihrem land nicht verfügbar | nicht in ihrem land |
        pas disponible dans votre pays | pas disponible dans votre région | pas accessible depuis votre pays |
        no está disponible en tu país | no está disponible en su país | no disponible en su región | no está disponible en su región |
        não está disponível no seu país | não disponível na sua região | não está disponível na sua região |
        non è disponibile nel tuo paese | non disponibile nella tua area | niet beschikbaar in jouw land | niet beschikbaar in uw regio |
        niedostępna w twoim kraju | niedostępne w twoim kraju | niedostępna w twoim regionie | inte tillgänglig i ditt land |
        недоступен в вашем регионе | недоступно в вашей стране | お住まいの地域では | お住まいの国では | 您所在的地区 | 您所在的国家 |
        你所在的地区 | غير متاح في منطقتك | غير متوفر في بلدك | in ihrem land leider nicht | unavailable to visitors from |
        not available to visitors from | visitors from the european | visiteurs européens | außerhalb der schweiz |
        außerhalb von deutschland | outside of the united states | hors de france | fuera de españa | al di fuori dell'italia
    """,
    "age": """
        confirm your age | verify your age | legal drinking age | you must be 18 | must be over 18 | must be 18 years | must be 21 years |
        are you over 18 | i am over 18 | i am 18 or older | enter your date of birth | bestätigen sie ihr alter | mindestens 18 jahre |
        über 18 jahre alt | confirmer votre âge | plus de 18 ans | avoir 18 ans | âge légal | confirma tu edad | confirme su edad |
        mayor de 18 | mayor de edad | confirma a tua idade | confirme sua idade | maior de 18 | maior de idade | conferma la tua età |
        maggiore di 18 anni | maggiorenne | bevestig je leeftijd | ouder dan 18 | potwierdź swój wiek | ukończone 18 lat |
        masz ukończone | pełnoletni | 18 yaşından büyük | вам исполнилось 18 | вам есть 18 | 18歳以上 | 年齢確認 | 已满18 | 年满18 |
        年满十八 | عمرك 18 | فوق 18
    """,
    "browser": """
        browser is out of date | browser is outdated | browser is not supported | browser is no longer supported |
        using an outdated browser | using an unsupported browser | upgrade your browser | update your browser | browser ist veraltet |
        browser wird nicht mehr unterstützt | browser wird nicht unterstützt | aktualisieren sie ihren browser | navigateur est obsolète |
        navigateur n'est plus pris en charge | navigateur n'est pas pris en charge | mettre à jour votre navigateur |
        navegador está desactualizado | navegador no es compatible | navegador está obsoleto | actualice su navegador |
        actualiza tu navegador | navegador está desatualizado | navegador não é suportado | atualize seu navegador |
        atualize o seu navegador | browser non è supportato | browser non è aggiornato | aggiorna il tuo browser | browser is verouderd |
        browser wordt niet ondersteund | przeglądarka jest nieaktualna | przeglądarka nie jest | zaktualizuj przeglądarkę |
        tarayıcınız güncel değil | браузер устарел | обновите браузер | お使いのブラウザ | 浏览器版本过低 | 您的浏览器版本 |
        متصفحك غير مدعوم
    """,
    "app": """
        download the app to | download our app to | open in app | open in the app | read this story in our app | continue in the app |
        read it in the app | get the app to | in der app weiterlesen | in der app öffnen | app herunterladen, um |
        ouvrir dans l'application | continuer dans l'application | téléchargez l'application pour | abrir en la app |
        descarga la app para | descarga nuestra app | continuar en la app | abrir no app | baixe o app para | baixe o aplicativo |
        apri nell'app | scarica l'app per | openen in de app | download de app om | otwórz w aplikacji | pobierz aplikację, aby |
        открыть в приложении | скачайте приложение, чтобы | アプリで読む | アプリで続きを | アプリを開く | 在app内打开 | 打开app阅读 |
        下载app | 打开app | افتح في التطبيق | حمل التطبيق | nur in der app | nur in unserer app | uniquement dans l'application |
        solo en la app | solo nell'app | alleen in de app | only in the app | only in our app | weiterlesen in der app |
        tylko w aplikacji | apenas na app
    """,
    "paywall": """
        subscribe to continue | subscribe to keep reading | subscribe now to continue | subscribe today to continue | subscribe to read |
        subscribe to unlock | to continue reading, subscribe | to continue reading subscribe | to continue reading, please subscribe |
        to keep reading, subscribe | already a subscriber | reached your limit of free | read your last free | read your free articles |
        reached your article limit | free articles this month | for subscribers only | for our subscribers | available to subscribers |
        reserved for subscribers | exclusive to subscribers | exclusive to our subscribers | only for subscribers |
        only available to subscribers | only available to members | only for members | for members only | for paying members |
        for paid subscribers | for paying subscribers | this post is for paid | subscriber-only | subscriber only | nur für abonnenten |
        nur mit abo | exklusiv für abonnenten | mit abo weiterlesen | weiterlesen mit | bereits abonnent | haben schon ein abo |
        bereits ein abo | jetzt abonnieren und weiterlesen | réservé aux abonnés | réservée aux abonnés | réservés aux abonnés |
        déjà abonné | pour lire la suite | abonnez-vous pour lire | cet article à lire | solo para suscriptores |
        exclusivo para suscriptores | contenido exclusivo para | suscríbete para seguir | suscríbete para continuar |
        suscríbase para seguir | ya eres suscriptor | ya es suscriptor | exclusivo para assinantes | exclusivo para subscritores |
        assine para continuar | já é assinante | continue lendo esta | riservato agli abbonati | solo per abbonati | per gli abbonati |
        abbonati per continuare | sei già abbonato | contenuto riservato | alleen voor abonnees | exclusief voor abonnees |
        verder lezen met een abonnement | al abonnee | abonneer om verder | word abonnee om | tylko dla prenumeratorów |
        tylko dla subskrybentów | dostęp dla prenumeratorów | wykup dostęp | kup dostęp | masz już prenumeratę | masz już subskrypcję |
        dla zalogowanych subskrybentów | endast för prenumeranter | läs vidare som prenumerant | för prenumeranter | redan prenumerant |
        kun for abonnenter | kun for abonnementer | vain tilaajille | aboneler için | aboneliğiniz | только для подписчиков |
        доступно подписчикам | доступен подписчикам | оформите подписку | 有料会員限定 | 有料会員になると | 会員限定 | 有料記事 |
        この記事は有料 | 続きを読むには | 付费会员 | 订阅后 | 订阅阅读全文 | 付费内容 | 付费阅读 | 成为会员 | 구독자 전용 | 유료 회원 |
        للمشتركين فقط | اشترك لمتابعة القراءة | اشترك للمتابعة | هذا المحتوى للمشتركين
    """,
    "register": """
        create a free account to | create an account to | register to continue | register to read | register for free to |
        register now to read | sign up to continue | sign up to read | sign up for free to | log in to continue | log in to read |
        sign in to read | sign in to continue | kostenlos registrieren und | registrieren, um | registrieren sie sich, um |
        melden sie sich an, um | anmelden und weiterlesen | kostenlos weiterlesen | créez un compte | créer un compte gratuit |
        inscrivez-vous pour | connectez-vous pour | regístrate para | regístrese para | crea una cuenta | inicia sesión para |
        registe-se para | cadastre-se para | crie uma conta | faça login para | registrati per | crea un account | accedi per continuare |
        accedi per leggere | maak een gratis account | maak een account aan | log in om verder | registreer om | załóż konto, aby |
        zarejestruj się, aby | zaloguj się, aby | skapa ett konto | logga in för att | okumak için giriş | devam etmek için giriş |
        üye olun | зарегистрируйтесь, чтобы | войдите, чтобы | 会員登録すると | 無料会員登録 | ログインして続き | 登录后 | 注册后 |
        سجل الدخول ل | أنشئ حساب | سجل مجان
    """,
    "mail": """
        enter your email to read | enter your e-mail to read | enter your email to continue | enter your email address to |
        your email to unlock | your email to keep reading | e-mail-adresse eingeben und weiterlesen | e-mail-adresse ein, um |
        entrez votre e-mail pour | saisissez votre e-mail pour | votre adresse e-mail pour lire | introduce tu correo para |
        introduce tu email para | ingresa tu correo para | insira o seu e-mail para | insira seu e-mail para |
        inserisci la tua email per | inserisci la tua e-mail per | vul je e-mailadres in om | podaj adres e-mail, aby |
        podaj swój e-mail, aby | ange din e-postadress för | メールアドレスを入力して | 输入邮箱 | أدخل بريدك الإلكتروني
    """,
}


def _listed(words: str) -> tuple[str, ...]:
    return tuple(re.split(r"\s\|\s+", words.strip()))


WHOLE = {kind: re.compile("|".join(_listed(titles))) for kind, titles in _TITLES.items()}
SURE = {kind: _listed(signs) for kind, signs in _SURE.items()}
MARKS = {kind: _listed(signs) for kind, signs in _SIGNATURES.items()}
PHRASES = {kind: _listed(phrases) for kind, phrases in _PHRASES.items()}
