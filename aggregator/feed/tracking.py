"""Query parameters that say where a reader came from and never what is shown: each with its origin, and with the sites it is limited to.

A name is a fact; the lists it stands in are named beside it. What is in no list here is kept, for a parameter kept in vain makes a
second item of one article, which the text relates again, but a parameter dropped in vain makes one item of two articles.
"""

import re
from collections.abc import Mapping

# The lists, as of July 2026.
ORIGINS: Mapping[str, str] = {
    "miniflux": "miniflux v2, internal/reader/urlcleaner (commit 106cdd09)",
    "firefox": "Firefox, query-stripping collection of its remote settings",
    "neat": "Neat URL, default blocked parameters, those for all sites",
    "adguard": "AdGuard TrackParamFilter, sections/general_url.txt",
    "clearurls": "ClearURLs, globalRules",
    "vendor": "the vendor's documentation: Matomo, Piano/AT Internet, Webtrekk/Mapp, Adobe, Comscore, Google Ads",
    "feeds": "links of real feeds, where the article is the same without it",
}

_NAMES = {
    "miniflux firefox neat adguard clearurls": "_hsenc mkt_tok fbclid vero_id mc_eid",
    "miniflux neat adguard clearurls": """
        _openstat fb_action_ids fb_action_types fb_ref fb_source gclid yclid twclid vero_conv __hssc __hstc hsctatracking""",
    "miniflux firefox adguard clearurls": "oly_anon_id oly_enc_id",
    "miniflux adguard clearurls": "__hsfp msclkid rb_clickid wickedid",
    "miniflux neat clearurls": "hmb_campaign hmb_medium hmb_source mc_cid",
    "miniflux neat adguard": "gclsrc",
    "miniflux clearurls": "dclid mc_tc srsltid",
    "miniflux adguard": "fb_comment_id gbraid wbraid ysclid _branch_match_id",
    "miniflux neat": "_hsmi sc_cid",
    "miniflux": "__readwiselocation _bhlid _branch_referrer campaign_content campaign_medium campaign_name campaign_source campaign_term",
    "firefox adguard clearurls": "__s",
    "neat adguard clearurls": "s_cid wt_mc cmpid action_object_map action_ref_map action_type_map",
    "adguard clearurls": "_ga _gl ml_subscriber ml_subscriber_hash",
    "neat clearurls": "gs_l wt_zmc",
    "adguard": """
        cm_me cm_cr ir_campaignid ir_adid irclickid irgwc __io_lv _io_session_id _kx mindbox-click-id mindbox-message-key cx_click
        cx_recsorder cx_recswidget awc xtor usqp _clde _cldee guccounter guce_referrer guce_referrer_sig bsft_clkid bsft_eid bsft_mid
        bsft_uid bsft_aaid bsft_ek admitad_uid aiad_clid _sgm_campaign _sgm_source _sgm_action tduid""",
    "neat": """
        nr_email_referer spjobid spmailingid spreportid spuserid elqtrack elqtrackid sc_campaign sc_channel sc_content sc_medium
        soc_src soc_trk tt_content tt_medium trkcampaign""",
    "clearurls": "__twitter_impression echobox tracking_source wtrid os_ehash",
    "vendor": """
        at_medium at_campaign at_link_type at_link_id at_link_origin at_ptr_name at_format at_creation at_variant at_bbc_team at_custom1
        at_custom2 at_custom3 at_custom4 ns_campaign ns_mchannel ns_source ns_linkname ns_fee igshid igsh""",
    "feeds": "ito ocid taid smid smtyp sr_share ref_src ref_url cmpredirect feature_src traffic_source maca",
}  # fmt: skip
# Whole families of names.
_FAMILIES = {
    "neat adguard clearurls": "utm_",
    "neat clearurls": "mtm_ ga_",
    "neat": "pk_ itm_ dpg_ stm_",
    "adguard": "hsa_ cm_mmc",
    "clearurls": "otm_",
    "vendor": "piwik_ matomo_",
}

TRACKING: Mapping[str, str] = {name: origin for origin, names in _NAMES.items() for name in names.split()}
FAMILIES: Mapping[str, str] = {start: origin for origin, starts in _FAMILIES.items() for start in starts.split()}
_STARTS = tuple(FAMILIES)

_CAME_FROM = r"(?:rss|feed|atom|rdf|home(?:page)?|newsletter|email|twitter|facebook|linkedin|telegram)[\w-]*"
_SESSION = r"[0-9a-f]{32}|[0-9a-z]{26}"
# Names that mean something elsewhere: they only track with such a value. `ref` with a host as value is Ghost's.
SOMETIMES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "ref": rf"{_CAME_FROM}|[a-z0-9-]+(?:\.[a-z0-9-]+)+",
        "source": _CAME_FROM,
        "src": _CAME_FROM,
        "from": _CAME_FROM,
        "via": _CAME_FROM,
        "partner": _CAME_FROM,
        "feature": "rss|share|youtu.be",
        "sid": _SESSION,
        "s": _SESSION,
        "phpsessid": ".*",
        "jsessionid": ".*",
        "cfid": r"\d+",
        "cftoken": r"[\da-f-]+",
        "zenid": _SESSION,
        "oscsid": _SESSION,
        # The same article for other screens.
        "amp": "|1|true|amp",
        "outputtype": "amp",
        "output": "amp",
        "format": "amp",
        "view": "amp",
    }.items()
}

# Names that track on these sites and may name an article on any other (Neat URL's and ClearURLs' rules for single sites, and feeds).
ONLY_ON: Mapping[str, tuple[str, ...]] = {
    "m": ("blogspot.com", "blogspot.de", "blogspot.co.uk", "blogspot.fr", "blogspot.com.br", "blogspot.in"),
    "ncid": ("huffpost.com", "huffingtonpost.com", "aol.com", "techcrunch.com", "engadget.com", "yahoo.com"),
    "mbid": ("newyorker.com", "wired.com", "vogue.com", "vanityfair.com", "gq.com", "arstechnica.com", "pitchfork.com"),
    "cmp": ("theguardian.com", "npr.org"),
    "partner": ("nytimes.com",),
    "emc": ("nytimes.com",),
    "ft": ("npr.org",),
    "f": ("npr.org",),
    "sc": ("npr.org",),
    "intcmp": ("foxnews.com", "foxbusiness.com", "bbc.co.uk", "bbc.com"),
    "wprss": ("washingtonpost.com",),
    "mod": ("wsj.com", "marketwatch.com", "barrons.com"),
    "feature": ("youtube.com",),
    "si": ("youtube.com", "youtu.be", "spotify.com"),
    "pp": ("youtube.com",),
    "trk": ("linkedin.com",),
    "trackingid": ("linkedin.com",),
    "spm": ("aliyun.com", "alibaba.com", "scmp.com"),
    "module": ("scmp.com",),
    "pgtype": ("scmp.com",),
    "campaign": ("scmp.com",),
    "ref": ("theguardian.com", "nytimes.com", "producthunt.com", "yahoo.com"),
    "source": ("medium.com",),
    "gi": ("medium.com",),
}
# Names of the table above that name the article on these sites: shops and mailers that use their own parameters as addresses.
KEPT_ON: Mapping[str, tuple[str, ...]] = {
    "mc_cid": ("campaign-archive.com", "mailchi.mp"),
    "mc_eid": ("campaign-archive.com", "mailchi.mp"),
}


def tracks(name: str, value: str = "", host: str = "") -> bool:
    """Whether this query parameter only tracks, on this host."""
    name = name.lower()
    if name in TRACKING or name.startswith(_STARTS):
        return not (name in KEPT_ON and _on(host, KEPT_ON[name]))
    if name in SOMETIMES and SOMETIMES[name].fullmatch(value):
        return True
    return name in ONLY_ON and _on(host, ONLY_ON[name])


def _on(host: str, sites: tuple[str, ...]) -> bool:
    return any(host == site or host.endswith(f".{site}") for site in sites)
