"""All CPU work on one item in one call, so that a process is crossed once: article, text hash, tags. Pure, and never raises for
what a page holds."""

from dataclasses import replace
from datetime import datetime, timedelta

from aggregator import article, config, errors, model, tagging
from aggregator.dedup import fingerprint, normalize

_SHORT = 25
# The page is believed unless the feed plainly has more.
_MORE, _SUBSTANTIAL = 1.5, 120
_EARLIEST_YEAR = 1990


def make(job: model.DraftJob, taxonomy: config.Taxonomy) -> model.Draft:
    """The draft of an item: from its page if there is one and it holds the article, otherwise from the feed's own text."""
    own = article.from_feed(job.content, job.summary)
    if job.page is None:
        return _finish(job, taxonomy, own, *_own_state(own))
    try:
        read = article.read(job.page, content_type=job.page_type, keep=job.keep, drop=job.drop, metadata=not _told(job))
    except errors.ExtractError as exc:
        return _finish(job, taxonomy, own, exc.state, str(exc))
    words, own_words = (normalize.count(one.text) if one else 0 for one in (read, own))
    if own is not None and own_words >= _SUBSTANTIAL and own_words > _MORE * words:
        reason = f"the page had only {words} words; the feed's own text has {own_words}"
        own = replace(read, text=own.text, extractor=own.extractor)
        return _finish(job, taxonomy, own, model.ItemState.FEED_ONLY, reason)
    if words < _SHORT and words < own_words:
        return _finish(job, taxonomy, own, model.ItemState.SHORT, f"the page had only {words} words")
    if words < _SHORT:
        return _finish(job, taxonomy, read, model.ItemState.SHORT, f"the page had only {words} words")
    return _finish(job, taxonomy, read, model.ItemState.OK, None)


def _told(job: model.DraftJob) -> bool:
    """Whether the feed has told all that the page's metadata could."""
    return bool(job.title and job.published_at and job.authors)


def _own_state(own: model.Article | None) -> tuple[str, str | None]:
    if own is None:
        return model.ItemState.FAILED, "neither the feed nor a page has a text"
    return model.ItemState.OK, None


def _finish(
    job: model.DraftJob, taxonomy: config.Taxonomy, best: model.Article | None, state: str, reason: str | None
) -> model.Draft:
    text = best.text if best else ""
    language = job.language or (best.language if best else None)
    published_at = job.published_at or (_plausible(best.published_at, job.now) if best else None)
    dated = replace(job, language=language, published_at=published_at)
    return model.Draft(
        state=state,
        reason=reason,
        text=text,
        text_hash=fingerprint.text_hash(text, job.title),
        word_count=normalize.count(text),
        extractor=best.extractor if best else None,
        title=best.title if best else None,
        authors=best.authors if best else (),
        language=language,
        published_at=published_at,
        image=best.image if best else None,
        tags=tagging.tags(dated, text, taxonomy),
    )


def _plausible(at: datetime | None, now: datetime) -> datetime | None:
    return at if at is not None and at.year >= _EARLIEST_YEAR and at <= now + timedelta(days=1) else None
