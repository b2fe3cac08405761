"""Pages as nginx serves them: what they consist of, and what their policy allows."""
import html.parser


class Page(html.parser.HTMLParser):
    """What a page consists of: the addresses that it loads and links, its ids, and what a policy would forbid."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids, self.inline, self.text = [], [], [], [], ""
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        self.inside = tag
        if tag in ("script", "img") and at.get("src"):
            self.loads.append(at["src"])
        elif tag == "link":
            self.loads.append(at["href"])
        elif tag == "a":
            self.links.append(at["href"])
        if "id" in at:
            self.ids.append(at["id"])
        self.inline += [k for k in at if k.startswith("on") or k == "style"]

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside in ("script", "style") and data.strip():
            self.inline.append(data)
        self.text += data


def policy_of(answer):
    parts = (p.split() for p in answer.headers["Content-Security-Policy"].split(";"))
    return {p[0]: p[1:] for p in parts}


def page(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, path
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer, Page(answer.text)
