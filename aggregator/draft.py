"""All CPU work on one item in one call, so that a process is crossed once: article, text hash, tags. Pure, and never raises for
what a page holds."""

from dataclasses import replace
from datetime import datetime

from aggregator import announced, boilerplate, config, errors, markup, model, tagging
from aggregator.dedup import fingerprint
from aggregator.feed import text as feed_text

# Below this a page has not shown an article.
_SHORT = 25
# The page is believed unless the feed plainly has more.
_MORE, _SUBSTANTIAL = 1.5, 120
_EARLIEST_YEAR = 1990

# What a later visit may bring is worth asking for again, however much the feed has.
_MAY_OPEN = (model.ItemState.BLOCKED, model.ItemState.PAYWALLED)


def make(job: model.DraftJob, taxonomy: config.Taxonomy) -> model.Draft:
    """The draft of an item: from its page if there is one and it holds the article, otherwise from the feed's own text."""
    # Imported where it is used: 7 MB, of lxml above all, that only the workers need.
    from aggregator import article

    own = feed_text.from_feed(job.content, job.summary)
    if job.page is None:
        state, reason = (
            (model.ItemState.OK, None) if own else (model.ItemState.FAILED, "the feed has no text of its own")
        )
        return _finish(job, taxonomy, own, state, reason)
    own_words = markup.count_words(own.text) if own else 0
    try:
        page = article.read(
            job.page, job.page_url, job.page_type, job.keep, job.drop, ask=_unknown(job), feed=_announced(job, own)
        )
    except errors.ExtractError as exc:
        if own_words >= _SUBSTANTIAL and exc.state not in _MAY_OPEN:
            return _finish(job, taxonomy, own, model.ItemState.FEED_ONLY, f"{exc}; {_own(own_words)} words")
        # The beginning that a paywall shows is rather the article's than a summary is.
        lead = model.Article(text=exc.lead, extractor=article.EXTRACTOR) if exc.lead else None
        best = max(filter(None, (lead, own)), key=lambda one: markup.count_words(one.text), default=None)
        return replace(_finish(job, taxonomy, best, exc.state, str(exc)), failure=exc.failure)
    return _weigh(job, taxonomy, page, own)


def _weigh(
    job: model.DraftJob, taxonomy: config.Taxonomy, page: model.Article, own: model.Article | None
) -> model.Draft:
    """The draft from whichever says more, the page in doubt."""
    words, own_words = markup.count_words(page.text), markup.count_words(own.text) if own else 0
    had = f"the page had only {words} {'word' if words == 1 else 'words'}"
    best = page
    if own is not None and own_words > words and words < _SHORT:
        best = replace(page, text=own.text, extractor=own.extractor)
    if own is not None and own_words >= _SUBSTANTIAL and own_words > _MORE * words:
        best = replace(page, text=own.text, extractor=own.extractor)
        return _finish(job, taxonomy, best, model.ItemState.FEED_ONLY, f"{had}; {_own(own_words)}")
    if words < _SHORT:
        return _finish(job, taxonomy, best, model.ItemState.SHORT, had if best is page else f"{had}; {_own(own_words)}")
    return _finish(job, taxonomy, best, model.ItemState.OK, None)


def _own(words: int) -> str:
    return f"the feed's own text has {words}"


def _announced(job: model.DraftJob, own: model.Article | None) -> announced.Announced:
    return announced.Announced(title=job.title, text=own.text if own else "", language=job.language)


def _unknown(job: model.DraftJob) -> frozenset[str]:
    """What the feed has not told, which is all that the page is asked for."""
    told = {"authors": job.authors, "date": job.published_at}
    return frozenset(name for name, value in told.items() if not value)


def _finish(
    job: model.DraftJob, taxonomy: config.Taxonomy, best: model.Article | None, state: str, reason: str | None
) -> model.Draft:
    known = _completed(job, best)
    cut = boilerplate.cut(best.text if best else "", known.title, job.learned)
    if best is not None and state == model.ItemState.OK and _is_wall(job, known.title, cut.text, best.extractor):
        return _walled(job, taxonomy)
    text, before = cut.text, _before(job, known.title)
    apart = boilerplate.joined(cut.apart)
    text_hash, whole_hash, made = hashes(text, apart, known.title)
    return model.Draft(
        state=state,
        reason=reason,
        text=text,
        text_hash=text_hash,
        whole_hash=whole_hash,
        fingerprint=made,
        word_count=markup.count_words(text),
        extractor=best.extractor if best else None,
        html=_html(job, best, text),
        title=best.title if best else None,
        authors=known.authors,
        language=known.language,
        published_at=known.published_at,
        image=best.image if best else None,
        canonical=best.canonical if best else None,
        tags=tagging.tags(known, text, taxonomy),
        boilerplate=apart,
        paragraphs=boilerplate.candidates(cut.uncut),
        before=before,
        before_hash=fingerprint.text_hash(before, known.title) if before is not None else None,
    )


def hashes(text: str, apart: str | None, title: str) -> tuple[str | None, str | None, model.Fingerprint]:
    """The hash of an article, that of all that its page says, and what the latter is compared by."""
    whole = boilerplate.whole(text, apart)
    whole_hash, made = fingerprint.make(whole, title)
    return (whole_hash if whole == text else fingerprint.text_hash(text, title)), whole_hash, made


def _html(job: model.DraftJob, best: model.Article | None, text: str) -> str | None:
    """What is left of the article as HTML."""
    # Imported where it is used, as above.
    from aggregator import rendition

    if best is None or not text:
        return None
    if best.extractor == "feed":
        return rendition.again(text, job.content)
    return best.html if text == best.text and best.html else rendition.again(text, best.html or "")


def recut(job: model.DraftJob, item: model.Item, taxonomy: config.Taxonomy) -> model.Draft:
    """The draft of a text that is stored already, without the paragraphs that its source became known for since; a text that is a wall as
    a whole is replaced by the one that its page had before, or else by the feed's own."""
    # A wall may have given the article its own title.
    title = item.earlier[0] if item.earlier is not None else job.title
    if item.state == model.ItemState.OK and _is_wall(job, title, job.text or "", item.extractor):
        return _as_before(job, item, taxonomy) or _walled(replace(job, text=None), taxonomy)
    # Imported where it is used, as above.
    from aggregator import rendition

    cut = boilerplate.cut(job.text or "", job.title, job.learned)
    apart = boilerplate.joined((item.boilerplate or "").split("\n"), cut.apart)
    text_hash, whole_hash, made = hashes(cut.text, apart, job.title)
    return model.Draft(
        state=item.state,
        reason=item.state_reason,
        text=cut.text,
        html=rendition.again(cut.text, item.html) if item.html else None,
        text_hash=text_hash,
        whole_hash=whole_hash,
        fingerprint=made,
        word_count=markup.count_words(cut.text),
        extractor=item.extractor,
        tags=tagging.tags(job, cut.text, taxonomy),
        boilerplate=apart,
    )


def _is_wall(job: model.DraftJob, title: str, text: str, extractor: str | None) -> bool:
    """Whether the text is known as one that the source's pages show in the place of articles."""
    known = bool(job.learned) and extractor != "feed" and boilerplate.hashed(text) in job.learned
    return known and not announced.tells(text, title)


def _walled(job: model.DraftJob, taxonomy: config.Taxonomy) -> model.Draft:
    # Imported where it is used, as above.
    from aggregator import gate

    found = gate.verdict("same")
    own = feed_text.from_feed(job.content, job.summary)
    return replace(_finish(job, taxonomy, own, found.state, found.said), failure=found.code)


def _as_before(job: model.DraftJob, item: model.Item, taxonomy: config.Taxonomy) -> model.Draft | None:
    # Imported where it is used, as above.
    from aggregator import gate

    if item.earlier is None or item.extractor is None:
        return None
    found = gate.verdict("same")
    title, text = item.earlier
    said = f"{found.said}; the text of an earlier visit is kept"
    before = model.Article(text=text, extractor=item.extractor)
    made = _finish(replace(job, title=title, text=None), taxonomy, before, model.ItemState.OK, said)
    return replace(made, title=title, failure=found.code) if made.state == model.ItemState.OK else None


def _before(job: model.DraftJob, title: str) -> str | None:
    """The stored text as it would be cut now, where that makes a difference."""
    if not job.text or not job.learned:
        return None
    cut = boilerplate.cut(job.text, title, job.learned)
    return cut.text if cut.apart else None


def _completed(job: model.DraftJob, best: model.Article | None) -> model.DraftJob:
    """The job with what only the page knows."""
    if best is None:
        return job
    return replace(
        job,
        title=job.title or best.title or "",
        authors=job.authors or best.authors,
        language=job.language or best.language,
        published_at=job.published_at or _plausible(best.published_at, job.now),
    )


def _plausible(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at.year >= _EARLIEST_YEAR and at <= now else None
