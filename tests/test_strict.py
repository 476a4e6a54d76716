"""feedparser's strict parser as we drive it reads what feedparser reads by itself."""

from pathlib import Path

import pytest

from aggregator import errors
from aggregator.feed import document, lean
from tests import feeds

SPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/DTDs/PodCast-1.0.dtd" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:x="urn:unknown" xmlns:html="http://www.w3.org/1999/xhtml" xmlns:cc="http://web.resource.org/cc/"'
)
# What it does beside the methods for each kind of element.
INSIDE = (
    "<title>a</title><link>http://e.example/?a=1&amp;b=2&amp;c;</link><guid>g</guid>",
    '<title type="HTML">a &lt;b&gt;</title><link REL="Alternate" href="/x"/><guid isPermaLink="false">x</guid>',
    "<title>&lt;i&gt;a&lt;/i&gt; &amp;amp; &amp;nosuch;</title><description>naïve na\xc3\xafve \x93quoted\x94 \x85</description>",
    '<content:encoded xml:base="http://b.example/c/" xml:lang="de_AT">t</content:encoded><link>d</link><title/>',
    "<description><p>not <b class='x'>escaped</b></p><html:div>d</html:div></description><pubDate>x</pubDate>",
    "<body xmlns='http://www.w3.org/1999/xhtml'><svg xmlns='http://www.w3.org/2000/svg'><title>t</title></svg><p/></body>",
    "<media:group><media:content url='u' type='image/png'/><media:title>m</media:title></media:group><title>t</title>",
    "<media:thumbnail>u</media:thumbnail><media:rating>r</media:rating><x:y z='1' x:q='2'>v</x:y><x:w>v</x:w>",
    "<image><url>i</url><title>of it</title><link>l</link><width>w</width></image><title>t</title><link>m</link>",
    "<source url='s'><title>of another</title><link>o</link></source><title>t</title><dc:creator>A (a@b.example)</dc:creator>",
    "<x:z xmlns:x='http://purl.org/dc/elements/1.1/'/><x:title>t</x:title><y xmlns='http://purl.org/atom/ns#'>y</y>",
    "<summary>one</summary><description>two</description><content type='application/octet-stream'>YQ==</content>",
    "<content mode='base64' type='text/plain'>YQ==</content><category>c</category><category term='' label='l'/>",
    "<itunes:image href='i'/><itunes:keywords>a, b</itunes:keywords><itunes:explicit>yes</itunes:explicit><comments>c</comments>",
    "<cc:license/><title> </title><author>x<name>n</name><email>e</email></author><enclosure url='e' length='1'/>",
    "<title>outer <title>inner</title> after</title><link/><updated>2026-01-01</updated><language>de</language>",
    "<textInput><title>t</title><name>n</name></textInput><cloud a='b'/><url>u</url><license>l</license>",
)


def _same(data: bytes) -> None:
    found = lean.read(data)
    assert lean.read_clean(data) == {key: found[key] for key in ("feed", "entries", "version")}


@pytest.mark.parametrize("inside", INSIDE, ids=range(len(INSIDE)))
@pytest.mark.parametrize(
    "around",
    [
        "<rss version='2.0' {spaces}><channel xml:base='http://f.example/'>{inside}<item>{inside}</item></channel></rss>",
        "<rss {spaces}><channel>{inside}<item>{inside}</item><item>{inside}{inside}</item>{inside}</channel></rss>",
        "<feed xmlns='http://www.w3.org/2005/Atom' {spaces} xml:lang='en'>{inside}<entry>{inside}</entry></feed>",
    ],
    ids=["based", "rss", "atom"],
)
def test_an_element_says_the_same_without_what_is_left_out(around: str, inside: str) -> None:
    _same(around.format(spaces=SPACES, inside=inside).encode())


@pytest.mark.parametrize("path", sorted(Path(feeds.CORPUS).glob("*.xml")), ids=lambda path: str(path.name))
def test_a_document_says_the_same(path: Path) -> None:
    try:
        data = document.prepare(document.decode(path.read_bytes(), {}), 100).data
    except errors.ParseError:
        pytest.skip("no XML")
    if b"<!DOCTYPE" in data:
        pytest.skip("feedparser reads entities, expat alone does not")

    _same(data)
